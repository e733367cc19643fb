import { limits } from '@quarry/content';
import { createChunkReader } from './chunk-reader.ts';
import type { ChunkReaderDeps } from './chunk-reader.ts';
import type { ImageStep } from './image-steps.ts';
import { readLent } from './lent-chunks.ts';
import { imageDefaults } from './options.ts';
import type { Compute } from './threads/compute.ts';

/** Reads steps out of the store into buffers that may be used again, every chunk hashed. */
export interface StepLoader {
  /** @throws ImageError as ChunkReader */
  load(step: ImageStep): Promise<Uint8Array>;
  /** Takes back a buffer that `load` gave, or a part of it, with all that it holds; others, and those it was given back already, are passed over. */
  recycle(bytes: Uint8Array): void;
}

/**
 * A fresh megabyte for each step costs more than reading and hashing it, and the most of all in shared memory, which other threads can read into: that is taken
 * only once the first buffers have come back.
 */
export function createStepLoader(
  deps: ChunkReaderDeps & { readonly compute?: Pick<Compute, 'read'> | undefined },
  options: { readonly signal?: AbortSignal | undefined } = {},
): StepLoader {
  const { store, compute } = deps;
  const reader = createChunkReader(deps, options);
  const bufferBytes = Math.max(imageDefaults.stepBytes, limits.maxChunkBytes);
  const free: ArrayBufferLike[] = [];
  const out = new Set<ArrayBufferLike>();
  let isRecycling = false;
  const take = (): ArrayBufferLike => {
    if (isRecycling && compute) return free.pop() ?? new SharedArrayBuffer(bufferBytes);
    return free.pop() ?? new ArrayBuffer(bufferBytes);
  };
  return {
    async load(step) {
      const bytes = new Uint8Array(take(), 0, step.length);
      const isShared = bytes.buffer instanceof SharedArrayBuffer;
      const isRead = isShared && compute && (await readLent({ store, compute }, step, bytes, options));
      if (!isRead) await reader.read(step, bytes);
      out.add(bytes.buffer);
      return bytes;
    },
    recycle({ buffer }) {
      if (!out.delete(buffer)) return;
      isRecycling = true;
      const isUsable = !compute || buffer instanceof SharedArrayBuffer;
      if (isUsable && free.length < imageDefaults.stepsAhead) free.push(buffer);
    },
  };
}
