import type { Clock, Waiting } from './clock.ts';

/**
 * Holds what passes below a rate, over all flows together, for as long as anybody looks: who takes is served in order, and pays before. Unlike a bucket
 * that fills while nobody takes it lets nothing go ahead after a pause, and makes good what a late timer cost; so both errors are below one slice.
 * Flows that take slice by slice share the rate by turns.
 */
export interface RateLimit {
  /** How many of so many bytes are to be taken at once: the smaller, the smoother; the larger, the cheaper. All of them without a limit. */
  slice(bytes: number): number;
  /** Resolves when so many bytes may pass; undefined: at once. Rejects with the signal's reason, and then nothing was taken. */
  take(bytes: number, waiting?: Waiting): Promise<void> | undefined;
  /** Also for those who wait. `Infinity` lifts the limit. */
  setRate(bytesPerSecond: number): void;
  readonly bytesPerSecond: number;
}

/** What a slice takes: short against the second in which a rate is felt, */
const SLICE_MS = 10;
/** and within these. Below the first a slice costs more than its bytes, above the second another flow waits long. */
const MIN_SLICE_BYTES = 4 * 1024;
const MAX_SLICE_BYTES = 256 * 1024;
/** Who takes again within this time would have taken sooner if timers and this host had been faster. */
const CATCH_UP_MS = 100;
/** What is made good at once of a longer delay. */
const MAX_SURPLUS_MS = 250;

interface Taker {
  readonly bytes: number;
  readonly admit: () => void;
}

export function createRateLimit(clock: Clock, bytesPerSecond: number): RateLimit {
  let rate = checked(bytesPerSecond);
  /** Bytes that may pass now, as of `atMs`. */
  let allowed = 0;
  let atMs = clock.now();
  let usedAtMs = -Infinity;
  let cancelTimer = (): void => {};
  const queue = new Set<Taker>();

  const firstBytes = (): number => {
    for (const { bytes } of queue) return bytes;
    return 0;
  };
  const settle = (): void => {
    const nowMs = clock.now();
    const sinceMs = nowMs - atMs;
    atMs = nowMs;
    if (rate === Infinity) return;
    if (queue.size === 0 && nowMs - usedAtMs > CATCH_UP_MS) allowed = 0;
    else allowed = Math.min(allowed + (sinceMs * rate) / 1000, firstBytes() + (MAX_SURPLUS_MS * rate) / 1000);
  };
  const admitWaiting = (): void => {
    settle();
    cancelTimer();
    for (const taker of queue) {
      if (rate !== Infinity && allowed < taker.bytes) {
        // The rounding of a division must not leave a timer that is due at once and a byte short.
        cancelTimer = clock.after(Math.max(0.01, ((taker.bytes - allowed) * 1000) / rate), admitWaiting);
        return;
      }
      queue.delete(taker);
      if (rate !== Infinity) allowed -= taker.bytes;
      usedAtMs = atMs;
      taker.admit();
    }
  };
  return {
    slice(bytes) {
      if (rate === Infinity) return bytes;
      const most = Math.max(MIN_SLICE_BYTES, Math.min(MAX_SLICE_BYTES, Math.floor((rate * SLICE_MS) / 1000)));
      return Math.min(bytes, most);
    },
    take(bytes, { signal } = {}) {
      if (!(bytes >= 0)) throw new TypeError(`bytes are a number from 0, not ${bytes}`); // one NaN would stay for ever
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (rate === Infinity) return undefined;
      settle();
      if (queue.size === 0 && allowed >= bytes) {
        allowed -= bytes;
        usedAtMs = atMs;
        return undefined;
      }
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          queue.delete(taker);
          admitWaiting();
          reject(signal?.reason);
        };
        const taker: Taker = {
          bytes,
          admit: () => {
            signal?.removeEventListener('abort', leave);
            resolve();
          },
        };
        signal?.addEventListener('abort', leave, { once: true });
        queue.add(taker);
        if (queue.size === 1) admitWaiting();
      });
    },
    setRate(next) {
      settle();
      rate = checked(next);
      allowed = rate === Infinity ? 0 : Math.min(allowed, (MAX_SURPLUS_MS * rate) / 1000);
      admitWaiting();
    },
    get bytesPerSecond() {
      return rate;
    },
  };
}

function checked(bytesPerSecond: number): number {
  if (!(bytesPerSecond > 0)) throw new TypeError(`a rate is a positive number, not ${bytesPerSecond}`);
  return bytesPerSecond;
}
