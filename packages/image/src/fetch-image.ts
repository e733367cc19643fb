import { chunkNeeds } from '@quarry/content';
import type {
  Domain,
  ImageHash,
  ImageRecord,
  ImageRef,
  Manifest,
  ManifestId,
  Origin,
  OriginImage,
  PackDescriptor,
  PackId,
  PackStore,
  Signer,
  SourceKind,
  Swarm,
} from '@quarry/content';
import { isCodedError } from '@quarry/runtime';
import { fetchChunks } from './fetch-chunks.ts';
import type { ChunkFetchReport } from './fetch-chunks.ts';
import { findImage } from './find-image.ts';
import type { FindDeps, FoundManifest } from './find-image.ts';
import type { Compute } from './threads/compute.ts';
import { getDescriptors } from './get-descriptors.ts';
import { ImageError, storeFailure } from './image-error.ts';
import { ingestFromOrigin } from './ingest-from-origin.ts';
import { imageDefaults } from './options.ts';

export interface FetchImageDeps extends FindDeps {
  readonly store: PackStore;
  readonly swarm: Swarm;
  /** Signs what is ingested from the origin because nobody had it. Its own records are always trusted. */
  readonly signer: Signer;
  /** As IngestDeps has it. */
  readonly compute?: Compute | undefined;
}

export interface FetchImageOptions {
  readonly signal?: AbortSignal | undefined;
  /** Must not throw. */
  readonly onProgress?: ((progress: FetchImageProgress) => void) | undefined;
  /** What the image must hash to: stands in for trust in a publisher, and for the origin's word. */
  readonly expectedHash?: ImageHash | undefined;
  /** Manifests not to use: those that turned out wrong. */
  readonly exceptManifests?: ReadonlySet<ManifestId>;
  /** The domain of an image that has to be ingested from an origin that does not say whose it is. Undefined: nothing is ingested. */
  readonly ingestInto?: Domain | undefined;
  /** How new packs are kept where an image has to be ingested; as of ingestImage. Default 'off'. */
  readonly encoding?: 'off' | 'zstd' | undefined;
  /** How long peers are asked before anything else is tried. Default imageDefaults.findPatienceMs. */
  readonly patienceMs?: number;
}

export interface FetchImageProgress {
  readonly phase: 'fetching' | 'ingesting';
  readonly wantedBytes: number;
  /** Of those, present now. */
  readonly presentBytes: number;
}

export interface FetchImageReport extends ChunkFetchReport {
  readonly imageBytes: number;
  /** `packs`: chunk by chunk from wherever they were. `ingest`: the whole image, from the origin, because nobody knew how it is made. */
  readonly route: 'packs' | 'ingest';
  readonly durationMs: number;
}

export interface FetchedImage {
  readonly record: ImageRecord;
  readonly manifest: Manifest;
  /** What the rebuilt image must hash to before it is given to anybody: the record's publisher is not trusted, or named no hash. */
  readonly mustMatch: ImageHash | undefined;
  readonly report: FetchImageReport;
}

/**
 * Brings everything onto this host that an image is made of: from its own packs, from peers, from the origin as the last resort. What was fetched before an
 * abort or a kill is not fetched again. If no peer knows the image it is ingested from the origin, and published, so that the next node finds it here.
 * @throws ImageError IMAGE_NOT_FOUND, IMAGE_UNTRUSTED, IMAGE_UNKNOWN_PARTS, IMAGE_BAD_MANIFEST, IMAGE_CHUNKS_ABSENT, IMAGE_ORIGIN_DIFFERS, those of
 *   ingestImage; the signal's reason
 */
export async function fetchImage(
  deps: FetchImageDeps,
  target: ImageRef | ImageRecord,
  options: FetchImageOptions = {},
): Promise<FetchedImage> {
  const { signal, ingestInto, patienceMs = imageDefaults.findPatienceMs } = options;
  const startedAtMs = deps.clock.now();
  const [ref, record] = typeof target === 'string' ? [target] : [target.ref, target];
  const trust = { publishers: [...deps.trust.publishers, deps.signer.publicKey] };
  const { expectedHash, exceptManifests } = options;
  const findOptions = { signal, expectedHash, exceptManifests, patienceMs, record };
  const { found, described, reason } = await findImage({ ...deps, trust }, ref, findOptions);
  const { origin } = deps;
  const canIngest = described !== undefined && origin !== undefined && ingestInto !== undefined;
  let whyNot: unknown = reason;
  if (found) {
    try {
      return await fetchPacks(deps, found, described, startedAtMs, { ...options, patienceMs });
    } catch (error) {
      if (!canIngest || !isUnusable(error)) throw error;
      whyNot = error;
    }
  }
  if (!canIngest) throw whyNot;
  deps.logger.info('image ingested from the origin', {
    ref,
    origin: origin.kind,
    why: isCodedError(whyNot) ? whyNot.code : '',
  });
  return ingestWhole({ ...deps, origin }, described, described.domain ?? ingestInto, startedAtMs, options);
}

/** Nobody can say what the image is made of, or what is said makes no sense: another description of it may. */
function isUnusable(error: unknown): boolean {
  return error instanceof ImageError && (error.code === 'IMAGE_UNKNOWN_PARTS' || error.code === 'IMAGE_BAD_MANIFEST');
}

async function fetchPacks(
  deps: FetchImageDeps,
  { record, manifest, mustMatch }: FoundManifest,
  described: OriginImage | undefined,
  startedAtMs: number,
  options: FetchImageOptions & { readonly patienceMs: number },
): Promise<FetchedImage> {
  const { store, catalog } = deps;
  const { signal, onProgress } = options;
  const lease = store.lease(manifest.packs);
  try {
    const descriptors = await getDescriptors(deps, manifest, options);
    const descriptorOf = (pack: PackId): PackDescriptor => descriptors.get(pack) as PackDescriptor;
    let needs: ReturnType<typeof chunkNeeds>;
    try {
      needs = chunkNeeds(manifest, descriptorOf);
    } catch (cause) {
      const message = `manifest ${manifest.id} of image ${record.ref} does not fit its packs`;
      throw new ImageError('IMAGE_BAD_MANIFEST', message, {
        details: { ref: record.ref, manifest: manifest.id },
        cause,
      });
    }
    try {
      // Before the first chunk: a node that is killed half-way finds them when it starts again.
      await catalog.putManifest(manifest, { signal });
      await catalog.putRecord(record, { signal });
      for (const descriptor of descriptors.values()) await store.addPack(descriptor, { signal });
    } catch (error) {
      throw storeFailure(`the parts of image ${record.ref} were noted`, error, signal);
    }
    const report = await fetchChunks(
      deps,
      { manifest, needs, descriptorOf, described },
      {
        signal,
        onProgress: ({ wantedBytes, presentBytes }) => onProgress?.({ phase: 'fetching', wantedBytes, presentBytes }),
      },
    );
    const durationMs = deps.clock.now() - startedAtMs;
    return {
      record,
      manifest,
      mustMatch,
      report: { ...report, imageBytes: manifest.imageBytes, route: 'packs', durationMs },
    };
  } finally {
    lease.release();
  }
}

async function ingestWhole(
  deps: FetchImageDeps & { readonly origin: Origin },
  described: OriginImage,
  domain: Domain,
  startedAtMs: number,
  options: FetchImageOptions,
): Promise<FetchedImage> {
  const { signal, onProgress, expectedHash, encoding } = options;
  const { imageBytes } = described;
  const { record, manifest, report } = await ingestFromOrigin(deps, described, {
    domain,
    signal,
    expectedHash,
    encoding,
    onProgress: ({ readBytes }) =>
      onProgress?.({ phase: 'ingesting', wantedBytes: imageBytes, presentBytes: readBytes }),
  });
  const bytesBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: report.newBytes };
  const wantedBytes = report.newBytes + report.knownBytes;
  const sums = {
    wantedBytes,
    presentBytes: report.knownBytes,
    bytesBySource,
    wireBytesBySource: { ...bytesBySource, origin: report.imageBytes },
    duplicateBytes: 0,
    badChunks: 0,
  };
  const durationMs = deps.clock.now() - startedAtMs;
  return { record, manifest, mustMatch: undefined, report: { ...sums, imageBytes, route: 'ingest', durationMs } };
}
