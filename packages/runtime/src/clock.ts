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
  /** Resolves after `ms` (at once for 0 or less, never for Infinity); rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, waiting?: Waiting): Promise<void>;
  /** Calls `callback` once after `ms`; the returned function cancels it. Never keeps the process alive by itself. */
  after(ms: number, callback: () => void): () => void;
}

/** What a timer of the platform can wait; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A timer without that limit; rounds up, so that nothing happens before its time. */
function startTimer(ms: number, keepsAlive: boolean, callback: () => void): () => void {
  const endMs = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = endMs - performance.now();
    timer = setTimeout(leftMs > MAX_TIMER_MS ? arm : callback, Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(leftMs))));
    if (!keepsAlive) timer.unref();
  };
  arm();
  return () => clearTimeout(timer);
}

/**
 * Unix milliseconds, fractional, when `systemClock.now()` was 0: the sum is the time of day for logs of several processes of one machine, good to a tenth of a
 * millisecond between them. Unlike `wallMs` it never jumps, so it does not follow a calendar that is set while the process runs.
 */
export const systemClockEpochMs: number = performance.timeOrigin;

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  sleep(ms, { signal } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = startTimer(ms, true, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      const onAbort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
  after: (ms, callback) => startTimer(ms, false, callback),
};
