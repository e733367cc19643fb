import { limits } from '@quarry/content';
import type { Manifest } from '@quarry/content';
import { createChunkReader } from './chunk-reader.ts';
import type { ChunkReaderDeps } from './chunk-reader.ts';
import { createDescriptorCache } from './descriptor-cache.ts';
import { imageSteps } from './image-steps.ts';
import { imageDefaults } from './options.ts';

/** A stretch of an image with its bytes, each chunk of which has been hashed; `undefined` bytes are zeros. */
export interface VerifiedStep {
  readonly offset: number;
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

export interface VerifiedSteps extends AsyncIterable<VerifiedStep> {
  /** Takes back a step's buffer for another; without it each step has its own. */
  recycle(bytes: Uint8Array): void;
  /** Bad or absent chunks that were fetched anew so far. */
  readonly healedChunks: number;
}

/**
 * Reads an image, in order, some steps ahead of whoever takes them: reading overlaps with hashing and with what is done to the bytes.
 * Can be iterated once. When it ends, for whatever reason, nothing is under way any more.
 */
export function verifiedSteps(
  deps: ChunkReaderDeps,
  manifest: Manifest,
  options: { readonly from: number; readonly to: number; readonly signal?: AbortSignal | undefined },
): VerifiedSteps {
  const { from, to, signal } = options;
  const reader = createChunkReader(deps, { signal });
  const free: ArrayBuffer[] = [];
  const bufferBytes = Math.max(imageDefaults.stepBytes, limits.maxChunkBytes);

  async function* iterate(): AsyncGenerator<VerifiedStep, void, undefined> {
    const underWay: Promise<VerifiedStep>[] = [];
    const descriptors = createDescriptorCache(deps, manifest, { signal });
    const steps = imageSteps(manifest, descriptors, { maxBytes: imageDefaults.stepBytes, from, to });
    try {
      for await (const step of steps) {
        signal?.throwIfAborted();
        const { offset, length } = step;
        if (step.parts.length === 0) {
          underWay.push(Promise.resolve({ offset, length, bytes: undefined }));
        } else {
          const bytes = new Uint8Array(free.pop() ?? new ArrayBuffer(bufferBytes), 0, length);
          const reading = reader.read(step, bytes).then(() => ({ offset, length, bytes }));
          reading.catch(() => {}); // seen when its turn comes, or never, if one before it fails
          underWay.push(reading);
        }
        while (underWay.length >= imageDefaults.concurrentSteps) yield await takeFirst(underWay);
      }
      while (underWay.length > 0) {
        yield await takeFirst(underWay);
        signal?.throwIfAborted();
      }
    } finally {
      await Promise.allSettled(underWay);
    }
  }
  return {
    [Symbol.asyncIterator]: iterate,
    recycle(bytes) {
      if (bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bufferBytes) free.push(bytes.buffer);
    },
    get healedChunks() {
      return reader.healedChunks;
    },
  };
}

/** Stays in the list until it is settled: whoever cleans up must see it. */
async function takeFirst(underWay: Promise<VerifiedStep>[]): Promise<VerifiedStep> {
  const step = await (underWay[0] as Promise<VerifiedStep>);
  void underWay.shift();
  return step;
}
