import {
  chooseCutter,
  createCutter,
  createManifestBuilder,
  limits,
  packSalt,
  publicDomain,
  signImageRecord,
} from '@quarry/content';
import type {
  Cutter,
  CutterSpec,
  Domain,
  ImageCatalog,
  ImageHash,
  ImageRecord,
  ImageRef,
  Manifest,
  PackId,
  PackStore,
  Signer,
} from '@quarry/content';
import { createBufferPool, errorCode } from '@quarry/runtime';
import type { BufferPool, Clock, Logger } from '@quarry/runtime';
import { createChunkPlacer } from './chunk-placer.ts';
import type { ChunkPlacer } from './chunk-placer.ts';
import { ImageError, messageOf, storeFailure } from './image-error.ts';
import { createImageHasher } from './image-hasher.ts';
import type { ImageHasher } from './image-hasher.ts';
import { imageDefaults } from './options.ts';
import { withoutThoseInUse } from './packs-used-only-by.ts';
import { beginLater } from './read-ahead.ts';
import { sourceBlocks } from './source-blocks.ts';
import { createCompute, threadsForIngest } from './threads/compute.ts';
import type { Compute } from './threads/compute.ts';

export interface IngestDeps {
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where chunks are hashed and encoded. Default: one of its own, which ends with the ingest. */
  readonly compute?: Compute | undefined;
}

export interface ImageSource {
  readonly ref: ImageRef;
  readonly domain: Domain;
  /** The image from its first byte to its last, in buffers that are the ingest's from then on. Ends early only by throwing. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Where the buffers come from, if they may be used again. Each is given back when its bytes are written or known. */
  readonly pool?: BufferPool | undefined;
  /** Undefined where it is known at the end only. Another size is IMAGE_SIZE_MISMATCH. */
  readonly imageBytes?: number | undefined;
  /** What the whole image must hash to; another hash is IMAGE_HASH_MISMATCH. */
  readonly expectedHash?: ImageHash | undefined;
  /** Computed and published where nothing is expected. */
  readonly hash?: ImageHash['algorithm'] | undefined;
}

export interface IngestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once per batch (about 4 MiB); must not throw. */
  readonly onProgress?: ((progress: IngestProgress) => void) | undefined;
  /** Whether everything is on the disk, and not only with the operating system, before the image is published. Default true. */
  readonly isDurable?: boolean;
  /** Whether pieces of new packs are kept as zstd frames where that makes them smaller. Ids do not depend on it. Default 'off'. */
  readonly encoding?: 'off' | 'zstd' | undefined;
  /**
   * Asked when all of the image is in the store and hashed, before anybody can learn of it. If it rejects the ingest does, with its error, and nothing of the
   * image remains.
   */
  readonly confirm?: ((seen: SeenImage) => Promise<void>) | undefined;
  /** Whether the new packs go, too, when the ingest fails in any other way: for what nobody may have who was not let read it. Default false: a second try finds them. */
  readonly discardOnFailure?: boolean | undefined;
}

/** An image that has gone by. */
export interface SeenImage {
  readonly imageBytes: number;
  /** Undefined where none was expected or asked for. */
  readonly hash: ImageHash | undefined;
}

export interface IngestProgress {
  readonly readBytes: number;
  readonly imageBytes: number | undefined;
  readonly newBytes: number;
}

export interface IngestReport {
  readonly imageBytes: number;
  readonly zeroBytes: number;
  /** Found in packs that were here before. */
  readonly knownBytes: number;
  /** Found again within the image itself. */
  readonly repeatedBytes: number;
  /** Put into new packs. */
  readonly newBytes: number;
  readonly newPacks: number;
  /** What the new chunks take as they were handed to the store: less than `newBytes` where pieces are encoded. */
  readonly storedBytes: number;
  readonly encodedPieces: number;
  /** Chunks that are not zeros. */
  readonly chunks: number;
  readonly cutter: CutterSpec['name'];
  readonly durationMs: number;
}

export interface IngestResult {
  readonly record: ImageRecord;
  readonly manifest: Manifest;
  readonly report: IngestReport;
}

/**
 * Cuts an image, puts what is not here yet into new packs and publishes manifest and signed record. The same image on top of the same packs gives
 * the same packs and the same manifest. If anything fails nothing is published, and the source is ended (`return`); packs that were full by then stay, unnamed,
 * until they are evicted or a second try finds them, unless `confirm` has rejected or they are to be discarded.
 * @throws ImageError IMAGE_SOURCE_FAILED, IMAGE_SIZE_MISMATCH, IMAGE_HASH_MISMATCH, IMAGE_TOO_LARGE, IMAGE_NO_SPACE, IMAGE_STORE_FAILED,
 *   IMAGE_THREAD_FAILED; the signal's reason
 */
export async function ingestImage(
  deps: IngestDeps,
  source: ImageSource,
  options: IngestOptions = {},
): Promise<IngestResult> {
  const { store, catalog, signer, clock, logger } = deps;
  const { signal } = options;
  const startedAtMs = clock.now();
  const domains = source.domain === publicDomain ? [publicDomain] : [source.domain, publicDomain];
  const reading = beginLater(source.bytes);
  checkHashes(source);
  const algorithm = source.expectedHash?.algorithm ?? source.hash;
  const salt = source.domain === publicDomain ? undefined : await packSalt(signer, source.domain);
  const compute = deps.compute ?? createCompute({ maxThreads: threadsForIngest(options.encoding ?? 'off') });
  const placer = createChunkPlacer(
    { store, compute },
    { domain: source.domain, salt, domains, encoding: options.encoding, signal },
  );
  const hasher = algorithm === undefined ? undefined : createImageHasher(algorithm);
  let isRefused = false;
  try {
    const { imageBytes, cutter } = await placeAll({ ...source, bytes: reading }, placer, hasher, options);
    const hash = await hasher?.finish();
    checkSize(source, imageBytes);
    checkHash(source, hash);
    const builder = createManifestBuilder({ domain: source.domain, cutter, hash });
    const { newPacks, ...sums } = await placer.finish(builder);
    const manifest = builder.build();
    const record = await signImageRecord(
      {
        ref: source.ref,
        domain: source.domain,
        imageBytes,
        hash,
        manifest: manifest.id,
        publishedAtMs: Math.floor(clock.wallMs()),
      },
      signer,
    );
    signal?.throwIfAborted();
    // A manifest is a promise to serve what it names.
    const syncing = (options.isDurable ?? true) ? store.sync() : Promise.resolve();
    syncing.catch(() => {}); // seen below, or another error is the first
    await options.confirm?.({ imageBytes, hash }).catch((error: unknown) => {
      isRefused = true;
      throw error;
    });
    try {
      await syncing;
      await catalog.putManifest(manifest, { signal });
      await catalog.putRecord(record, { signal });
      await keepShared(store, manifest);
    } catch (error) {
      throw storeFailure(`image ${source.ref} was published`, error, signal);
    }
    const report = { imageBytes, ...sums, newPacks, cutter: cutter.name, durationMs: clock.now() - startedAtMs };
    logger.info('image ingested', { ref: source.ref, manifest: manifest.id, ...report });
    return { record, manifest, report };
  } catch (error) {
    await placer.discard();
    reading.end();
    if (isRefused || options.discardOnFailure) {
      placer.release();
      await discardNew(deps, placer.newPacks);
    }
    throw error;
  } finally {
    placer.release();
    await hasher?.discard();
    if (!deps.compute) await compute.close();
  }
}

/** An image that was removed meanwhile may have taken packs along that this one shares: they are still held, and wanted again. */
async function keepShared(store: PackStore, { packs }: Manifest): Promise<void> {
  for (const pack of packs) {
    const descriptor = store.present(pack) ? undefined : await store.findPack(pack);
    if (descriptor) await store.addPack(descriptor);
  }
}

/** Of those that were new only what no other image has come to use meanwhile. */
async function discardNew({ store, catalog, logger }: IngestDeps, packs: readonly PackId[]): Promise<void> {
  try {
    if (packs.length > 0) await store.discard(await withoutThoseInUse(catalog, packs));
  } catch (error) {
    logger.warn('packs of an ingest that failed are still here', {
      packs: packs.length,
      error: errorCode(error) ?? messageOf(error),
    });
  }
}

const MAX_FREE_BLOCKS = 16;

/** Reads, cuts and places the whole source. */
async function placeAll(
  source: ImageSource,
  placer: ChunkPlacer,
  hasher: ImageHasher | undefined,
  options: IngestOptions,
): Promise<{ readonly imageBytes: number; readonly cutter: CutterSpec }> {
  const { signal, onProgress } = options;
  const announced = source.imageBytes ?? limits.maxImageBytes;
  if (announced > limits.maxImageBytes) throw tooLarge(source, announced);
  let cutter: CutterSpec | undefined;
  let cut: Cutter | undefined;
  let readBytes = 0;
  const begin = (head: Uint8Array): Cutter => {
    // A stream without a size is taken for one of whole sectors, as disk images are.
    cutter = chooseCutter(head, source.imageBytes ?? limits.maxImageBytes);
    if (source.imageBytes !== undefined) placer.expect(source.imageBytes, cutter.minBytes);
    return createCutter(cutter);
  };
  const blockPool = createBufferPool({
    bufferBytes: imageDefaults.blockBytes,
    maxFree: MAX_FREE_BLOCKS,
    isShared: true,
  });
  let blocks: Uint8Array[] = [];
  let batchBytes = 0;
  const endBatch = async (): Promise<void> => {
    const used = blocks;
    const onWritten = (): void => {
      for (const block of used) {
        blockPool.give(block); // each takes what is its own
        source.pool?.give(block);
      }
    };
    blocks = [];
    batchBytes = 0;
    await placer.endBatch(onWritten);
    onProgress?.({ readBytes, imageBytes: source.imageBytes, newBytes: placer.newBytes });
  };
  for await (const block of sourceBlocks(source, blockPool, signal)) {
    if (readBytes + block.length > announced) {
      if (source.imageBytes === undefined) throw tooLarge(source, readBytes + block.length);
      throw sizeMismatch(source, source.imageBytes, `at least ${readBytes + block.length}`);
    }
    cut ??= begin(block);
    await hasher?.update(block);
    // A source may give far more than a batch at once.
    for (let at = 0; at < block.length; at += imageDefaults.batchBytes) {
      const part = block.subarray(at, at + imageDefaults.batchBytes);
      placer.add(cut.push(part));
      readBytes += part.length;
      batchBytes += part.length;
      if (at + part.length === block.length) blocks.push(block);
      if (batchBytes >= imageDefaults.batchBytes) await endBatch();
      await nextTurn();
    }
  }
  cut ??= begin(new Uint8Array(0));
  placer.add(cut.end());
  if (readBytes > 0) await endBatch();
  return { imageBytes: readBytes, cutter: cutter as CutterSpec };
}

/** Everything that is ready runs: reads and writes that have ended, and those that are to begin. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function checkHashes({ expectedHash, hash }: ImageSource): void {
  if (expectedHash && hash && expectedHash.algorithm !== hash) {
    throw new TypeError(`the hash that is expected is ${expectedHash.algorithm}: ${hash} cannot be asked for as well`);
  }
}

function checkSize(source: ImageSource, imageBytes: number): void {
  const expected = source.imageBytes ?? imageBytes;
  if (expected !== imageBytes) throw sizeMismatch(source, expected, `${imageBytes}`);
}

function checkHash({ ref, expectedHash }: ImageSource, hash: ImageHash | undefined): void {
  if (expectedHash === undefined || expectedHash.value === hash?.value) return;
  const message = `image ${ref} has ${expectedHash.algorithm} ${hash?.value} instead of ${expectedHash.value}: it changed, or was damaged on the way`;
  throw new ImageError('IMAGE_HASH_MISMATCH', message, {
    details: { ref, algorithm: expectedHash.algorithm, expected: expectedHash.value, actual: hash?.value },
    canRetry: true,
  });
}

function sizeMismatch({ ref }: ImageSource, expected: number, actual: string): ImageError {
  return new ImageError(
    'IMAGE_SIZE_MISMATCH',
    `image ${ref} has ${actual} bytes instead of the ${expected} announced`,
    {
      details: { ref, expected, actual },
      canRetry: true,
    },
  );
}

function tooLarge({ ref }: ImageSource, bytes: number): ImageError {
  return new ImageError(
    'IMAGE_TOO_LARGE',
    `image ${ref} has over ${limits.maxImageBytes} bytes, the most there can be`,
    {
      details: { ref, bytes, maxBytes: limits.maxImageBytes },
    },
  );
}
