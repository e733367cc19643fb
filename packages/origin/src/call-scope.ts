import type { Clock } from '@quarry/runtime';
import { OriginError } from './origin-error.ts';

/** What one call works under: it ends when the caller or the origin's closing says so, or when nothing happens for too long. */
export interface Call {
  readonly signal: AbortSignal;
  /**
   * Settles as `work` does; rejects at once with the signal's reason when it aborts, and with ORIGIN_STALLED when the idle timeout has
   * passed. The work itself is not ended by that: whoever started it does.
   */
  wait<T>(work: Promise<T>, what: string): Promise<T>;
}

/** The calls of one origin, all of which end with ORIGIN_CLOSED when it is closed. */
export interface CallScope {
  run<T>(signal: AbortSignal | undefined, work: (call: Call) => Promise<T>): Promise<T>;
  /** A stream that is read once. A reader that leaves ends a read that hangs: it does not wait behind it. */
  stream<T>(
    signal: AbortSignal | undefined,
    work: (call: Call) => AsyncGenerator<T, void, undefined>,
  ): AsyncIterableIterator<T>;
  close(): void;
}

export function createCallScope(clock: Clock, idleTimeoutMs: number, kind: string): CallScope {
  const closing = new AbortController();
  const callUnder = (signal: AbortSignal): Call => ({
    signal,
    wait: (work, what) =>
      new Promise((resolve, reject) => {
        const settle = (): void => {
          cancelTimer();
          signal.removeEventListener('abort', onAbort);
        };
        const onAbort = (): void => {
          settle();
          reject(signal.reason);
        };
        const cancelTimer = clock.after(idleTimeoutMs, () => {
          settle();
          reject(
            new OriginError(
              'ORIGIN_STALLED',
              `${what}: nothing came for ${idleTimeoutMs / 1000} s; is the origin stuck, or its file cut off?`,
              {
                details: { idleTimeoutMs },
                canRetry: true,
              },
            ),
          );
        });
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort, { once: true });
        work.then(
          (value) => {
            settle();
            resolve(value);
          },
          (error: unknown) => {
            settle();
            reject(error);
          },
        );
      }),
  });
  const anyOf = (...signals: readonly (AbortSignal | undefined)[]): AbortSignal =>
    AbortSignal.any([closing.signal, ...signals.filter((signal) => signal !== undefined)]);
  return {
    async run(signal, work) {
      const call = callUnder(anyOf(signal));
      call.signal.throwIfAborted();
      return await work(call);
    },
    stream(signal, work) {
      const leaving = new AbortController();
      const call = callUnder(anyOf(signal, leaving.signal));
      const generator = (async function* start() {
        call.signal.throwIfAborted();
        yield* work(call);
      })();
      return {
        next: () => generator.next(),
        return() {
          leaving.abort(new Error('the reader has left'));
          return generator.return();
        },
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    },
    close() {
      closing.abort(new OriginError('ORIGIN_CLOSED', `this origin (${kind}) is closed`, { details: { kind } }));
    },
  };
}
