/** The gateway's view of a node: opens, takes in and forgets images, with what Glance has just said of them. */
import type {
  EncodingChoice,
  ImageCatalog,
  ImageRecord,
  Manifest,
  ManifestId,
  Origin,
  PackLease,
  PackStore,
  Signer,
  Swarm,
} from '@quarry/content';
import type { GlanceImage, ImageService, OriginRead } from '@quarry/gateway';
import { ingestImage, openImage } from '@quarry/image';
import type { Compute, Trust } from '@quarry/image';
import type { BufferPool, Clock, Logger, Random } from '@quarry/runtime';
import { pinnedOrigin } from './pinned-origin.ts';

/** What the service needs of the swarm beyond its port. */
export interface ServiceSwarm extends Swarm {
  openOriginRead(waiting: { readonly signal: AbortSignal }): Promise<OriginRead>;
}

export interface ImageServiceDeps {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  readonly swarm: ServiceSwarm;
  readonly compute: Compute;
  readonly signer: Signer;
  readonly trust: Trust;
  /** Glance as a caller's headers see it. */
  readonly glanceFor: (headers: Readonly<Record<string, string>>) => Origin;
  readonly encoding: EncodingChoice;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called with what was shelved here, when it is published. */
  readonly onTaken: (record: ImageRecord, manifest: Manifest) => void;
  /** Called when an image is asked for. */
  readonly onAsked: (image: GlanceImage) => void;
  /** Has the whole cluster forget an image. */
  readonly forget: (image: GlanceImage) => Promise<void>;
  readonly stayWithinBudget: () => Promise<void>;
}

/** Missing bytes are read from Glance, which takes as long at most, before the client has waited for the stall time. */
const STALLS = 3;

/**
 * How long peers are asked for an image that none of them knows. Nova waits meanwhile, each time an image is new to the cluster; and while its read of
 * Glance waits for its turn in the budget of the whole cluster, the peers are asked again.
 */
const PATIENCE_MS = 1000;

export function createImageService(deps: ImageServiceDeps, options: { readonly stallMs: number }): ImageService {
  const { store, catalog, swarm, logger } = deps;
  const wrongManifests = new Set<ManifestId>();

  /** What a snapshot was made from shall still be here when its first chunks are looked up. */
  const leaseOf = async (ref: GlanceImage['baseImage']): Promise<PackLease | undefined> => {
    if (ref === undefined) return undefined;
    for (const record of await catalog.findRecords(ref)) {
      const manifest = await catalog.findManifest(record.manifest);
      if (manifest) return store.lease(manifest.packs);
    }
    return undefined;
  };

  return {
    async open(image, { caller, offset, length, signal, onProgress }) {
      deps.onAsked(image);
      const { ref, imageBytes, hash, domain } = image;
      const known = { ref, name: ref, imageBytes, hash, domain, format: undefined };
      const { origin, described } = pinnedOrigin(deps.glanceFor(credentialsIn(caller.headers)), known);
      const opened = await openImage(
        { ...deps, wrongManifests },
        { ref, imageBytes, hash, domain },
        {
          signal,
          offset,
          length,
          origin,
          described,
          stallMs: options.stallMs / STALLS,
          patienceMs: PATIENCE_MS,
          onProgress,
        },
      );
      if (!opened) return undefined;
      return {
        bytes: opened.bytes,
        bytesBySource: () => opened.report(),
        isProvenLast: opened.isHashChecked,
        recycle: (bytes) => opened.recycle(bytes),
      };
    },
    async take(image, bytes, { algorithm, confirm, signal, onDone }) {
      const lease = await leaseOf(image.baseImage);
      try {
        const { record, manifest } = await ingestImage(
          deps,
          { ref: image.ref, domain: image.domain, bytes, hash: algorithm, ...(onDone && { pool: givingTo(onDone) }) },
          {
            signal,
            encoding: deps.encoding,
            discardOnFailure: true,
            // Glance has it for good. What a crash takes of it here is read from there; Nova need not wait for this disk.
            isDurable: false,
            async confirm({ hash, imageBytes }) {
              if (hash) await confirm({ hash, imageBytes });
            },
          },
        );
        deps.onTaken(record, manifest);
      } finally {
        lease?.release();
        await deps.stayWithinBudget().catch((error: unknown) => logger.error('eviction failed', { error }));
      }
    },
    forget: (image) => deps.forget(image),
    openOriginRead: (waiting) => swarm.openOriginRead(waiting),
  };
}

/** What says who asks, and for which request of Nova's; what belongs to this one request (its range, its connection) does not go along. */
function credentialsIn(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-')));
}

/** An ingest gives the buffers of its source back to a pool. Nothing is taken from this one. */
function givingTo(give: (bytes: Uint8Array) => void): BufferPool {
  return { bufferBytes: 0, take: () => new Uint8Array(0), give };
}
