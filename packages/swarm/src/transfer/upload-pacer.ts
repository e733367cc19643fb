import { createTokenBucket } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import type { Answer } from '../ports/network.ts';

/** Bytes that may leave at once after a pause. */
const BURST_BYTES = 256 * 1024;
/** How much of a body leaves between two looks at the limit: flows that are served together share it by turns. */
const SLICE_BYTES = 64 * 1024;

/** A second limit, which what is sent shares with what others send: the origin budget, where a seeder sends. */
export interface UploadGate {
  readonly isLimited: boolean;
  take(bytes: number, waiting: { readonly signal: AbortSignal }): Promise<void>;
}

/** Holds what this node sends below a rate, over all its answers together. */
export interface UploadPacer {
  setRate(bytesPerSecond: number): void;
  /** An answer whose parts leave no faster than the rate. `onEnd` is called once: with true when all has been taken, with false when it broke off. */
  answer(head: Uint8Array, body: Uint8Array, options: AnswerOptions): Answer;
  readonly bytesPerSecond: number;
}

export interface AnswerOptions {
  /** Of the request. */
  readonly signal: AbortSignal;
  readonly onSent?: (bytes: number) => void;
  readonly onEnd?: (isWhole: boolean) => void;
}

export function createUploadPacer(clock: Clock, bytesPerSecond: number, gate?: UploadGate): UploadPacer {
  const bucket = createTokenBucket({ tokensPerSecond: bytesPerSecond, burst: BURST_BYTES, nowMs: clock.now() });
  return {
    setRate: (next) => bucket.setRate(clock.now(), next),
    get bytesPerSecond() {
      return bucket.tokensPerSecond;
    },
    answer(head, body, { signal, onSent, onEnd }) {
      let hasEnded = false;
      let at = 0;
      let isHeadOut = false;
      const end = (isWhole: boolean): void => {
        if (hasEnded) return;
        hasEnded = true;
        signal.removeEventListener('abort', onAbort);
        onEnd?.(isWhole);
      };
      const onAbort = (): void => end(false);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) end(false);
      const pass = async (part: Uint8Array): Promise<IteratorResult<Uint8Array>> => {
        const waitMs = bucket.take(clock.now(), part.length);
        if (waitMs > 0) await clock.sleep(waitMs, { signal });
        if (gate?.isLimited) await gate.take(part.length, { signal });
        onSent?.(part.length);
        return { done: false, value: part };
      };
      // An iterator by hand: a generator that was never started would not notice that it is not wanted any more.
      const iterator: AsyncIterator<Uint8Array> = {
        async next() {
          if (hasEnded) return { done: true, value: undefined };
          if (!isHeadOut) {
            isHeadOut = true;
            return pass(head);
          }
          if (at >= body.length) {
            end(true);
            return { done: true, value: undefined };
          }
          const step = bucket.tokensPerSecond === Infinity && !gate?.isLimited ? body.length : SLICE_BYTES;
          const part = body.subarray(at, at + step);
          at += part.length;
          return pass(part);
        },
        async return() {
          end(isHeadOut && at >= body.length); // who knows the length need not ask whether there is more
          return { done: true, value: undefined };
        },
      };
      return { byteLength: head.length + body.length, parts: { [Symbol.asyncIterator]: () => iterator } };
    },
  };
}
