import type { BufferBank, Clock, RateLimit } from '@quarry/runtime';
import type { AnswerBuffers } from '../ports/network.ts';

/** Room and pace for what this node receives, over all its requests together. */
export interface Receiving {
  /**
   * Buffers for one answer with a piece of at most `plainBytes`. `onWait` is called now and then while it waits for room or for its turn, for which the
   * peer is not to blame. What was taken must be given back to `bank`.
   */
  buffersFor(plainBytes: number, onWait: () => void): AnswerBuffers;
  /** Room for a piece that comes in a buffer of somebody else's. */
  reserve(bytes: number, waiting: { readonly signal: AbortSignal; readonly onWait: () => void }): Promise<() => void>;
  readonly bank: BufferBank;
}

/** No piece is so short, and no refusal longer: those wait for nothing. */
const REFUSAL_BYTES = 12;
/** A peer is given up for standing still in seconds. */
const TELL_EVERY_MS = 100;

export function createReceiving(deps: {
  readonly bank: BufferBank;
  readonly limit: RateLimit;
  readonly clock: Clock;
}): Receiving {
  const { bank, limit, clock } = deps;
  const telling = async <T>(work: Promise<T>, onWait: () => void): Promise<T> => {
    const tell = (): void => {
      onWait();
      cancel = clock.after(TELL_EVERY_MS, tell);
    };
    let cancel = clock.after(TELL_EVERY_MS, tell);
    try {
      return await work;
    } finally {
      cancel();
    }
  };
  return {
    bank,
    reserve: (bytes, { signal, onWait }) => telling(bank.reserve(bytes, { signal }), onWait),
    buffersFor: (plainBytes, onWait) => ({
      async take(bytes, { signal }) {
        if (bytes <= REFUSAL_BYTES) return new Uint8Array(bytes);
        // Shorter than the piece may mean a frame: what is decoded of it is in memory with it, and must not have to wait for room.
        const besidesBytes = bytes < plainBytes ? plainBytes : 0;
        return await telling(bank.take(bytes, { signal, besidesBytes }), onWait);
      },
      give: (buffer) => bank.give(buffer),
      pace(leftBytes, { signal }) {
        const bytes = leftBytes <= REFUSAL_BYTES ? leftBytes : limit.slice(leftBytes);
        const turn = bytes <= REFUSAL_BYTES ? undefined : limit.take(bytes, { signal });
        return turn ? telling(turn, onWait).then(() => bytes) : bytes;
      },
    }),
  };
}
