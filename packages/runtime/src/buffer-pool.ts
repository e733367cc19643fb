/**
 * Buffers of one size that are used again. Fresh ones cost more than what is done with them: the kernel has to clear their pages, and the garbage collector
 * runs for them (measured at an ingest of 1 GiB in 1 MiB buffers: 0.5 s of 2 s).
 * Laws: a buffer that was taken is its taker's until it is given back, as a whole or as any view of it, once; what the pool did not hand out it leaves alone.
 */
export interface BufferPool {
  readonly bufferBytes: number;
  /** Contents are arbitrary. */
  take(): Uint8Array;
  give(buffer: Uint8Array): void;
}

/** Keeps at most `maxFree` buffers for later; more may be out. With `isShared` other threads see them when a view is sent there. */
export function createBufferPool(options: {
  readonly bufferBytes: number;
  readonly maxFree: number;
  readonly isShared?: boolean;
}): BufferPool {
  const { bufferBytes, maxFree, isShared = false } = options;
  const free: ArrayBufferLike[] = [];
  const taken = new WeakSet<ArrayBufferLike>();
  return {
    bufferBytes,
    take() {
      const memory = free.pop() ?? (isShared ? new SharedArrayBuffer(bufferBytes) : new ArrayBuffer(bufferBytes));
      taken.add(memory);
      return new Uint8Array(memory);
    },
    give({ buffer: memory }) {
      if (!taken.delete(memory) || free.length >= maxFree) return;
      free.push(memory);
    },
  };
}
