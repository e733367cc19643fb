import type { Clock } from '@quarry/runtime';

/** Runs `work` under a signal that aborts with the caller's, or with `late()` after `ms`; rejects with whichever it was. */
export async function withDeadline<T>(
  clock: Clock,
  { ms, late, signal }: { readonly ms: number; readonly late: () => Error; readonly signal?: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const ending = new AbortController();
  const onAbort = (): void => ending.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const cancelTimer = clock.after(ms, () => ending.abort(late()));
  try {
    return await work(ending.signal);
  } catch (error) {
    // What libp2p throws for an aborted signal does not say why.
    throw ending.signal.aborted ? ending.signal.reason : error;
  } finally {
    cancelTimer();
    signal?.removeEventListener('abort', onAbort);
  }
}
