import type { Manifest } from '@quarry/content';
import { createSemaphore } from '@quarry/runtime';
import { createChunkReader } from './chunk-reader.ts';
import type { ChunkReaderDeps } from './chunk-reader.ts';
import { createDescriptorCache } from './descriptor-cache.ts';
import { imageSteps } from './image-steps.ts';
import type { ImageStep } from './image-steps.ts';
import { copyLent } from './lent-chunks.ts';
import { imageDefaults } from './options.ts';
import type { PartFile } from './part-file.ts';
import type { RebuildOptions } from './rebuild-image.ts';
import type { Compute } from './threads/compute.ts';

/**
 * Puts every step of an image into its file, several at once: on other threads, which need no byte to pass through this one, where the store lends its
 * files; otherwise, and whenever that fails for whatever reason, by reading, hashing and writing here, which says what is wrong and has bad chunks fetched anew.
 * When it ends nothing is under way any more.
 */
export async function copySteps(
  deps: ChunkReaderDeps & { readonly compute: Compute; readonly file: Pick<PartFile, 'fd' | 'write'> },
  manifest: Manifest,
  options: Pick<RebuildOptions, 'signal' | 'onProgress'>,
): Promise<{ readonly writtenBytes: number; readonly healedChunks: number }> {
  const { file } = deps;
  const { signal, onProgress } = options;
  const { imageBytes } = manifest;
  const { stepBytes, concurrentSteps, concurrentCopies, writeBytes } = imageDefaults;
  const reader = createChunkReader(deps, { signal });
  const reading = createSemaphore(concurrentSteps); // those that take memory
  const free: ArrayBuffer[] = [];
  const underWay: Promise<ImageStep>[] = [];
  let writtenBytes = 0;

  const copyHere = async (step: ImageStep): Promise<void> => {
    const memory = free.pop() ?? new ArrayBuffer(stepBytes);
    const bytes = new Uint8Array(memory, 0, step.length);
    await reader.read(step, bytes);
    for (let at = 0; at < bytes.length; at += writeBytes) {
      await file.write(bytes.subarray(at, at + writeBytes), step.offset + at);
    }
    free.push(memory);
  };
  const copy = async (step: ImageStep): Promise<ImageStep> => {
    if (step.parts.length === 0) return step;
    if (!(await copyLent(deps, step, file.fd, { signal }))) {
      signal?.throwIfAborted();
      await reading.run(() => copyHere(step), { signal });
    }
    writtenBytes += step.length;
    return step;
  };
  const takeFirst = async (): Promise<void> => {
    const { offset, length } = await (underWay[0] as Promise<ImageStep>);
    void underWay.shift();
    onProgress?.({ rebuiltBytes: offset + length, imageBytes });
  };
  try {
    const descriptors = createDescriptorCache(deps, manifest, { signal });
    for await (const step of imageSteps(manifest, descriptors, { maxBytes: stepBytes, from: 0, to: imageBytes })) {
      signal?.throwIfAborted();
      const copying = copy(step);
      copying.catch(() => {}); // seen when its turn comes, or never, if one before it fails
      underWay.push(copying);
      while (underWay.length >= concurrentCopies) await takeFirst();
    }
    while (underWay.length > 0) await takeFirst();
  } finally {
    await Promise.allSettled(underWay);
  }
  return { writtenBytes, healedChunks: reader.healedChunks };
}
