import { createRateLimit } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import type { Answer } from '../ports/network.ts';

/** What leaves between two looks at the origin budget. */
const GATE_SLICE_BYTES = 64 * 1024;

/** A second limit, which what is sent shares with what others send: the origin budget, where a seeder sends. */
export interface UploadGate {
  readonly isLimited: boolean;
  take(bytes: number, waiting: { readonly signal: AbortSignal }): Promise<void>;
}

/** Holds what this node sends below a rate, over all its answers together: bytes of answers as they leave, heads and encoded bodies. */
export interface UploadPacer {
  setRate(bytesPerSecond: number): void;
  /**
   * An answer whose parts leave no faster than the rate. `onEnd` is called once: with true when all has been taken, with false when it broke off.
   * Neither part is copied.
   */
  answer(head: Uint8Array, body: Uint8Array, options: AnswerOptions): Answer;
  readonly bytesPerSecond: number;
}

export interface AnswerOptions {
  /** Of the request. */
  readonly signal: AbortSignal;
  readonly onSent?: (bytes: number) => void;
  readonly onEnd?: (isWhole: boolean) => void;
  /** Called by carriers that know when they need no byte any more; not before `onEnd`. */
  readonly release?: () => void;
}

export function createUploadPacer(clock: Clock, bytesPerSecond: number, gate?: UploadGate): UploadPacer {
  const limit = createRateLimit(clock, bytesPerSecond);
  return {
    setRate: (next) => limit.setRate(next),
    get bytesPerSecond() {
      return limit.bytesPerSecond;
    },
    answer(head, body, { signal, onSent, onEnd, release }) {
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
        const turn = limit.take(part.length, { signal });
        if (turn) await turn;
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
          const most = limit.slice(body.length - at);
          const part = body.subarray(at, at + (gate?.isLimited ? Math.min(most, GATE_SLICE_BYTES) : most));
          at += part.length;
          return pass(part);
        },
        async return() {
          end(isHeadOut && at >= body.length); // who knows the length need not ask whether there is more
          return { done: true, value: undefined };
        },
      };
      return {
        byteLength: head.length + body.length,
        parts: { [Symbol.asyncIterator]: () => iterator },
        release: () => {
          end(isHeadOut && at >= body.length);
          release?.();
        },
      };
    },
  };
}
