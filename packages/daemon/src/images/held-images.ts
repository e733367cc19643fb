/** Images that others ask this node to fetch and keep: copies of what was shelved elsewhere, and what an operator wants in place before it is asked for. */
import { packBytes, signImageRecord } from '@quarry/content';
import type {
  EncodingChoice,
  ImageCatalog,
  ImageRecord,
  Manifest,
  ManifestId,
  PackStore,
  Signer,
  Swarm,
} from '@quarry/content';
import { fetchImage } from '@quarry/image';
import type { Trust } from '@quarry/image';
import { createSemaphore } from '@quarry/runtime';
import { DaemonError } from '../daemon-error.ts';
import type { Clock, Logger, Random } from '@quarry/runtime';

/** How far it is. Bytes are plain bytes of chunks. */
export interface HeldState {
  readonly kind: 'fetching' | 'complete' | 'failed';
  readonly wantedBytes: number;
  readonly presentBytes: number;
}

export interface HoldRequest {
  readonly record: ImageRecord;
  readonly manifest: Manifest;
  /** Whether the chunks are wanted here as well, or only what says how the image is made: a thousandth of it. */
  readonly withChunks: boolean;
  readonly from: string;
}

export type HoldAnswer = { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly reason: string };

export interface HeldImages {
  hold(request: HoldRequest): Promise<HoldAnswer>;
  state(manifest: ManifestId): HeldState | undefined;
  /** The image is gone: what it took is no longer counted. */
  forget(manifest: ManifestId): void;
  /** Ends what is under way. */
  close(): Promise<void>;
}

export interface HeldDeps {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  readonly swarm: Swarm;
  readonly signer: Signer;
  readonly trust: Trust;
  readonly encoding: EncodingChoice;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly stayWithinBudget: () => Promise<void>;
}

/** Fetches for others at once; more wait. */
const CONCURRENT = 2;
/** Images waiting or under way. */
const MAX_WAITING = 64;
/** Of how many images of others the parts are kept; each takes a thousandth of the image. */
const MAX_PARTS = 4096;
/** Of how many the state is remembered. */
const MAX_REMEMBERED = 1024;

export function createHeldImages(deps: HeldDeps, options: { readonly maxBytes: number }): HeldImages {
  const { catalog, logger, store } = deps;
  const states = new Map<ManifestId, HeldState>();
  const running = new Map<ManifestId, Promise<void>>();
  const parts = new Set<ManifestId>();
  const closing = new AbortController();
  const slots = createSemaphore(CONCURRENT);

  const note = (id: ManifestId, state: HeldState): void => {
    states.delete(id);
    states.set(id, state);
    for (const oldest of states.keys()) {
      if (states.size <= MAX_REMEMBERED) break;
      if (!running.has(oldest)) states.delete(oldest);
    }
  };
  /** Held by images that others brought here, as far as this process knows. */
  const heldBytes = (): number =>
    [...states.values()].reduce((sum, { kind, wantedBytes }) => sum + (kind === 'failed' ? 0 : wantedBytes), 0);

  /** In this node's own name: it can be asked for the image when its first publisher is dead. Nobody need believe it: Glance names the hash. */
  const publish = async ({ ref, domain, imageBytes, hash, manifest }: ImageRecord): Promise<void> => {
    const publishedAtMs = Math.floor(deps.clock.wallMs());
    const own = await signImageRecord({ ref, domain, imageBytes, hash, manifest, publishedAtMs }, deps.signer);
    await catalog.putRecord(own);
  };
  const holdParts = async (record: ImageRecord, manifest: Manifest): Promise<void> => {
    for (const pack of manifest.packs) {
      if (await store.findPack(pack)) continue;
      const secret = manifest.secrets.get(pack);
      const descriptor = await deps.swarm.findDescriptor(pack, {
        signal: closing.signal,
        ...(secret ? { secret } : {}),
      });
      if (!descriptor) throw new DaemonError('DAEMON_IMAGE_NOT_FOUND', `nobody has the descriptor of pack ${pack}`);
      await store.addPack(descriptor);
    }
    await catalog.putManifest(manifest);
    await publish(record);
    logger.info('parts of an image held for others', { image: record.ref, manifest: manifest.id });
  };

  const run = async (record: ImageRecord, manifest: Manifest): Promise<void> => {
    let wantedBytes = states.get(manifest.id)?.wantedBytes ?? manifest.imageBytes;
    let presentBytes = 0;
    try {
      await catalog.putManifest(manifest);
      await fetchImage(deps, record, {
        signal: closing.signal,
        // nobody reads it here: whoever does holds it against Glance's hash
        ...(record.hash ? { expectedHash: record.hash } : {}),
        onProgress(progress) {
          ({ wantedBytes, presentBytes } = progress);
          note(manifest.id, { kind: 'fetching', wantedBytes, presentBytes });
        },
      });
      await publish(record);
      note(manifest.id, { kind: 'complete', wantedBytes, presentBytes: wantedBytes });
      logger.info('image held for others', { image: record.ref, manifest: manifest.id, wantedBytes });
    } catch (error) {
      note(manifest.id, { kind: 'failed', wantedBytes, presentBytes });
      if (!closing.signal.aborted) logger.warn('image not held for others', { image: record.ref, error });
    } finally {
      await deps.stayWithinBudget().catch((error: unknown) => logger.error('eviction failed', { error }));
    }
  };

  return {
    async hold({ record, manifest, withChunks, from }) {
      if (closing.signal.aborted) return { kind: 'refused', reason: 'this node is stopping' };
      if (!withChunks) {
        if (!parts.has(manifest.id) && parts.size >= MAX_PARTS)
          return { kind: 'refused', reason: `this node knows how ${MAX_PARTS} images of others are made` };
        parts.add(manifest.id);
        try {
          await holdParts(record, manifest);
        } catch (error) {
          parts.delete(manifest.id);
          return { kind: 'refused', reason: error instanceof Error ? error.message : String(error) };
        }
        return { kind: 'accepted' };
      }
      const known = states.get(manifest.id);
      if (known && known.kind !== 'failed') return { kind: 'accepted' };
      if (running.size >= MAX_WAITING)
        return { kind: 'refused', reason: `${MAX_WAITING} other images are waiting here` };
      const wantedBytes = await missingBytes(store, manifest);
      if (heldBytes() + wantedBytes > options.maxBytes)
        return { kind: 'refused', reason: 'this node keeps as much for others as it may (images.heldMaxBytes)' };
      logger.info('asked to hold an image', { image: record.ref, manifest: manifest.id, from, wantedBytes });
      note(manifest.id, { kind: 'fetching', wantedBytes, presentBytes: 0 });
      const work = slots
        .run(() => run(record, manifest), { signal: closing.signal })
        .catch(() => {}) // stopped before its turn
        .finally(() => running.delete(manifest.id));
      running.set(manifest.id, work);
      return { kind: 'accepted' };
    },
    state: (manifest) => states.get(manifest),
    forget(manifest) {
      states.delete(manifest);
      parts.delete(manifest);
    },
    async close() {
      closing.abort(new Error('the daemon stops'));
      await Promise.all(running.values());
    },
  };
}

/** At most: what the image has beyond zeros and the packs that are here. */
async function missingBytes(store: PackStore, manifest: Manifest): Promise<number> {
  let known = 0;
  for (const pack of manifest.packs) {
    const descriptor = await store.findPack(pack);
    if (descriptor && store.present(pack)) known += packBytes(descriptor);
  }
  const { extents } = manifest;
  let filled = 0;
  for (let i = 0; i < extents.count; i += 1)
    if ((extents.packs[i] ?? -1) >= 0) filled += (extents.offsets[i + 1] ?? 0) - (extents.offsets[i] ?? 0);
  return Math.max(0, filled - known);
}
