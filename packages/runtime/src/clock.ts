export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Time is handed in, so that state machines can be replayed and tests need not wait.
 * `now` never goes backwards and has no fixed origin; `wallMs` is the calendar (Unix milliseconds) and may jump.
 */
export interface Clock {
  /** Monotonic milliseconds, fractional. */
  now(): number;
  /** Unix milliseconds, for records that other machines read. */
  wallMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, waiting?: Waiting): Promise<void>;
  /** Calls `callback` once after `ms`; the returned function cancels it. Never keeps the process alive by itself. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  sleep(ms, { signal } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
