import type { Clock } from './clock.ts';

/**
 * Buffers that are used again, and a bound on how much memory is out, whatever the number of those who want some. Laws:
 * - What is out, and what is kept for later, is together never more than `maxBytes`; but one taker at least is always served, however much it asks for.
 * - Who has to wait is served in order of arrival, also before somebody who wants less.
 * - A buffer that was taken is its taker's until it is given back or dropped, as a whole or as any view of it, once; what the bank did not hand out it
 *   leaves alone. So whoever holds one must never wait for another of the same bank.
 */
export interface BufferBank {
  /** Exactly `bytes` long; contents are arbitrary. Rejects with the signal's reason. */
  take(bytes: number, options?: TakeOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Nobody looks into it any more: it may be handed out again. */
  give(buffer: Uint8Array): void;
  /** The taker is done with it, somebody else may not be: it counts no more, and is handed out again only if it is given back after all. */
  drop(buffer: Uint8Array): void;
  /** Room for memory that the caller allocates itself; the function gives it back. */
  reserve(bytes: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<() => void>;
  view(): BufferBankView;
}

export interface TakeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Counted with the buffer for as long as it is out: for what its taker allocates besides. */
  readonly besidesBytes?: number | undefined;
}

export interface BufferBankView {
  readonly maxBytes: number;
  /** What is out, with what is reserved. */
  readonly takenBytes: number;
  /** What is kept for later. */
  readonly freeBytes: number;
  readonly waiting: number;
}

export interface BufferBankOptions {
  readonly maxBytes: number;
  /** Buffers that nobody wanted for so long are let go. */
  readonly idleMs?: number | undefined;
}

interface Free {
  readonly memory: ArrayBuffer;
  readonly sinceMs: number;
}

interface Waiter {
  readonly bytes: number;
  readonly admit: () => void;
}

const IDLE_MS = 10_000;
/** A piece of 1 MiB comes with a head of some bytes: a class holds both. */
const HEAD_ROOM_BYTES = 4096;
const SMALLEST_BYTES = 4096;

export function createBufferBank(deps: { readonly clock: Clock }, options: BufferBankOptions): BufferBank {
  const { clock } = deps;
  const { maxBytes, idleMs = IDLE_MS } = options;
  if (!(maxBytes > 0)) throw new TypeError(`a bank holds a positive number of bytes, not ${maxBytes}`);
  /** By size, the one given back last at the end. */
  const free = new Map<number, Free[]>();
  const out = new Map<ArrayBufferLike, number>();
  const dropped = new WeakSet<ArrayBufferLike>();
  const queue = new Set<Waiter>();
  let [takenBytes, freeBytes] = [0, 0];
  let isSweeping = false;

  const mayTake = (bytes: number): boolean => takenBytes === 0 || takenBytes + bytes <= maxBytes;
  const enter = (bytes: number, signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted();
    if (queue.size === 0 && mayTake(bytes)) {
      takenBytes += bytes;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        queue.delete(waiter);
        admitWaiting(); // it may have stood in the way of one who wants less
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        bytes,
        admit: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      queue.add(waiter);
    });
  };
  const admitWaiting = (): void => {
    for (const waiter of queue) {
      if (!mayTake(waiter.bytes)) return;
      queue.delete(waiter);
      takenBytes += waiter.bytes;
      waiter.admit();
    }
  };
  const leave = (bytes: number): void => {
    takenBytes -= bytes;
    admitWaiting();
  };

  const takeFree = (size: number): ArrayBuffer | undefined => {
    const found = free.get(size)?.pop();
    if (found) freeBytes -= size;
    return found?.memory;
  };
  /** Lets go of what is kept until so much room is left, the longest unused first. */
  const makeRoom = (bytes: number): void => {
    while (freeBytes > bytes) {
      let oldest: { readonly size: number; readonly buffers: Free[]; readonly sinceMs: number } | undefined;
      for (const [size, buffers] of free) {
        const sinceMs = buffers[0]?.sinceMs ?? Infinity;
        if (buffers.length > 0 && sinceMs < (oldest?.sinceMs ?? Infinity)) oldest = { size, buffers, sinceMs };
      }
      if (!oldest) return;
      oldest.buffers.shift();
      freeBytes -= oldest.size;
    }
  };
  const sweepLater = (): void => {
    if (isSweeping || freeBytes === 0) return;
    isSweeping = true;
    clock.after(idleMs, () => {
      isSweeping = false;
      const untilMs = clock.now() - idleMs;
      for (const [size, buffers] of free) {
        const stale = buffers.findIndex(({ sinceMs }) => sinceMs > untilMs);
        freeBytes -= size * buffers.splice(0, stale === -1 ? buffers.length : stale).length;
        if (buffers.length === 0) free.delete(size);
      }
      sweepLater();
    });
  };
  const keep = (memory: ArrayBuffer): void => {
    const size = memory.byteLength;
    if (takenBytes + freeBytes + size > maxBytes) return;
    const buffers = free.get(size) ?? [];
    free.set(size, buffers);
    buffers.push({ memory, sinceMs: clock.now() });
    freeBytes += size;
    sweepLater();
  };

  return {
    async take(bytes, { signal, besidesBytes = 0 } = {}) {
      const size = sizeFor(bytes);
      const counted = size + besidesBytes;
      await enter(counted, signal);
      const known = takeFree(size);
      makeRoom(Math.max(0, maxBytes - takenBytes));
      const memory = known ?? new ArrayBuffer(size);
      out.set(memory, counted);
      return new Uint8Array(memory, 0, bytes);
    },
    give({ buffer: memory }) {
      const counted = out.get(memory);
      if (!(memory instanceof ArrayBuffer) || (counted === undefined && !dropped.delete(memory))) return;
      out.delete(memory);
      if (counted !== undefined) takenBytes -= counted;
      keep(memory);
      admitWaiting();
    },
    drop({ buffer: memory }) {
      const counted = out.get(memory);
      if (counted === undefined) return;
      out.delete(memory);
      dropped.add(memory);
      leave(counted);
    },
    async reserve(bytes, { signal } = {}) {
      await enter(bytes, signal);
      makeRoom(Math.max(0, maxBytes - takenBytes));
      let isBack = false;
      return () => {
        if (isBack) return;
        isBack = true;
        leave(bytes);
      };
    },
    view: () => ({ maxBytes, takenBytes, freeBytes, waiting: queue.size }),
  };
}

/** Powers of two and the halves between them, each with room for a head: a buffer is at most a third larger than what is in it. */
function sizeFor(bytes: number): number {
  let size = SMALLEST_BYTES;
  while (size + HEAD_ROOM_BYTES < bytes) {
    if (size * 1.5 + HEAD_ROOM_BYTES >= bytes) return size * 1.5 + HEAD_ROOM_BYTES;
    size *= 2;
  }
  return size + HEAD_ROOM_BYTES;
}
