import type { ImageHash, Manifest, PackLease } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { ChunkReaderDeps } from './chunk-reader.ts';
import { ImageError } from './image-error.ts';
import { createImageHasher } from './image-hasher.ts';
import type { ImageHasher } from './image-hasher.ts';
import { createOrderedWriter } from './ordered-writer.ts';
import { createPartFile } from './part-file.ts';
import type { PartFile } from './part-file.ts';
import { verifiedSteps } from './verified-steps.ts';
import { copySteps } from './copy-steps.ts';
import { createCompute } from './threads/compute.ts';
import type { Compute } from './threads/compute.ts';

export interface RebuildDeps extends ChunkReaderDeps {
  readonly random: Random;
  /** Where chunks are hashed. Default: one of its own, which ends with the rebuild. */
  readonly compute?: Compute | undefined;
}

export interface RebuildOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once per step (about 1 MiB of data, or a hole); must not throw. */
  readonly onProgress?: ((progress: RebuildProgress) => void) | undefined;
  /** What the whole image must hash to. Costs a second look at every byte: for images whose publisher is not trusted, and for who wants to know. */
  readonly expectedHash?: ImageHash | undefined;
  /** Whether an existing file may be replaced. Default false. */
  readonly mayOverwrite?: boolean;
  /** Whether the image is on the disk, and not only with the operating system, when this resolves. Default true. */
  readonly isDurable?: boolean;
}

export interface RebuildProgress {
  readonly rebuiltBytes: number;
  readonly imageBytes: number;
}

export interface RebuildReport {
  readonly imageBytes: number;
  readonly writtenBytes: number;
  readonly holeBytes: number;
  /** Chunks that were bad or gone in the store, and fetched anew. */
  readonly healedChunks: number;
}

/**
 * Puts an image together in a sparse file, bit for bit, and hashes every chunk on the way. The file has its name only when it is whole; a run that is
 * killed leaves a hidden file that the next run for this destination removes.
 * @throws ImageError IMAGE_DESTINATION_EXISTS, IMAGE_DESTINATION_UNUSABLE, IMAGE_NO_SPACE, IMAGE_CHUNK_BAD, IMAGE_CHUNKS_ABSENT,
 *   IMAGE_UNKNOWN_PARTS, IMAGE_BAD_MANIFEST, IMAGE_HASH_MISMATCH, IMAGE_STORE_FAILED; the signal's reason
 */
export async function rebuildImage(
  deps: RebuildDeps,
  manifest: Manifest,
  destination: string,
  options: RebuildOptions = {},
): Promise<RebuildReport> {
  const { signal, expectedHash, mayOverwrite = false, isDurable = true } = options;
  signal?.throwIfAborted();
  const lease: PackLease = deps.store.lease(manifest.packs);
  const compute = deps.compute ?? createCompute();
  try {
    const fileBytes = manifest.imageBytes;
    const file = await createPartFile(deps, destination, { fileBytes, mayOverwrite, isDurable });
    const hasher = expectedHash && createImageHasher(expectedHash.algorithm);
    try {
      const { writtenBytes, healedChunks } = hasher
        ? await writeHashed(deps, file, hasher, manifest, options)
        : await copySteps({ ...deps, compute, file }, manifest, options);
      if (hasher && expectedHash) checkHash(manifest, expectedHash, await hasher.finish());
      signal?.throwIfAborted();
      await file.publish();
      return { imageBytes: fileBytes, writtenBytes, holeBytes: fileBytes - writtenBytes, healedChunks };
    } finally {
      await file.discard();
      await hasher?.discard();
    }
  } finally {
    lease.release();
    if (!deps.compute) await compute.close();
  }
}

interface Rebuilt {
  readonly writtenBytes: number;
  readonly healedChunks: number;
}

/** Writes each step while the next ones are read, and hashes the whole on the way. */
async function writeHashed(
  deps: RebuildDeps,
  file: PartFile,
  hasher: ImageHasher,
  manifest: Manifest,
  options: RebuildOptions,
): Promise<Rebuilt> {
  const steps = verifiedSteps(deps, manifest, { from: 0, to: manifest.imageBytes, signal: options.signal });
  const writer = createOrderedWriter(file);
  let writtenBytes = 0;
  try {
    for await (const { offset, length, bytes } of steps) {
      if (bytes) {
        await hasher.update(bytes);
        writer.add(bytes, offset, () => steps.recycle(bytes));
        writtenBytes += length;
        await writer.room();
      } else await hasher.updateZeros(length);
      options.onProgress?.({ rebuiltBytes: offset + length, imageBytes: manifest.imageBytes });
    }
  } catch (error) {
    await writer.finish().catch(() => {}); // nothing may be under way when the file is discarded; the first failure counts
    throw error;
  }
  await writer.finish();
  return { writtenBytes, healedChunks: steps.healedChunks };
}

function checkHash(manifest: Manifest, expected: ImageHash, actual: ImageHash): void {
  if (expected.value === actual.value) return;
  const message = `the image of manifest ${manifest.id} has ${expected.algorithm} ${actual.value} instead of ${expected.value}: its publisher lied or was wrong`;
  throw new ImageError('IMAGE_HASH_MISMATCH', message, {
    details: { manifest: manifest.id, algorithm: expected.algorithm, expected: expected.value, actual: actual.value },
  });
}
