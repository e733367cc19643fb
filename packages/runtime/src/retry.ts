import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

export interface RetryOptions {
  /** How often the work is tried in all, at least 1. */
  readonly attempts: number;
  /** Upper end of the first pause; doubles each time. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether this failure may be tried again; default: only errors that say so themselves (`canRetry`). */
  readonly isRetryable?: (error: unknown) => boolean;
}

/** Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter", 2015): pauses are uniform in [0, cap], so a crowd spreads out. */
export async function retry<T>(
  deps: { readonly clock: Clock; readonly random: Random },
  work: (attempt: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const isRetryable = options.isRetryable ?? saysRetry;
  for (let attempt = 1; ; attempt += 1) {
    options.signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= options.attempts || options.signal?.aborted || !isRetryable(error)) throw error;
      const cap = Math.min(options.maxDelayMs, options.firstDelayMs * 2 ** Math.min(attempt - 1, 52));
      await deps.clock.sleep(deps.random.next() * cap, { signal: options.signal });
    }
  }
}

function saysRetry(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'canRetry' in error && error.canRetry === true;
}
