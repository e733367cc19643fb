import { createSemaphore, errorCode } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';

/**
 * Decides when written data is made durable: after so many bytes, or so long after the first of them, whichever comes first; one flush
 * at a time. What must not overlap a flush (a change of what is durable) runs in `exclusively`.
 */
export interface SyncBatcher {
  /** Something was written that the next flush must cover. */
  noteWritten(bytes: number): void;
  /** Resolves when there is room for more unsynced bytes. */
  room(signal?: AbortSignal): Promise<void>;
  /**
   * Flushes what was written before this call. Rejects also if an earlier flush in the background lost something and nobody
   * has heard of it yet: that was written before this call too.
   */
  sync(): Promise<void>;
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** Flushes a last time and stops. */
  close(): Promise<void>;
  readonly unsyncedBytes: number;
}

export interface SyncBatcherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes durable what was written; runs alone. Resolves to an error if some of it is lost for good; rejects if the same can be tried again. */
  readonly flush: () => Promise<Error | undefined>;
}

export interface SyncBatcherOptions {
  readonly syncBytes: number;
  readonly syncDelayMs: number;
  readonly maxUnsyncedBytes: number;
}

/** After a failed flush the next comes this many delays later: a full disk is not asked twice a second. */
const RETRY_DELAYS = 10;

export function createSyncBatcher(deps: SyncBatcherDeps, options: SyncBatcherOptions): SyncBatcher {
  const mutex = createSemaphore(1);
  const waiters = new Set<() => void>();
  let unsyncedBytes = 0;
  let isUnsynced = false;
  let hasPlanned = false;
  let cancelTimer: (() => void) | undefined;
  let unheard: Error | undefined;
  let isClosed = false;

  const flush = async (): Promise<void> => {
    cancelTimer?.();
    cancelTimer = undefined;
    hasPlanned = false;
    const covered = unsyncedBytes;
    isUnsynced = false;
    try {
      unheard = (await deps.flush()) ?? unheard;
      if (unheard) deps.logger.error('lost what could not be made durable', { error: unheard.message });
    } catch (error) {
      schedule(options.syncDelayMs * RETRY_DELAYS);
      throw error;
    } finally {
      unsyncedBytes -= covered;
      for (const wake of waiters) wake();
    }
  };
  const flushInBackground = (): void => {
    mutex.run(flush).catch((error: unknown) => {
      deps.logger.error('could not make written packs durable, trying again', {
        error: errorCode(error) ?? String(error),
      });
    });
  };
  const schedule = (delayMs: number): void => {
    if (isClosed) return;
    isUnsynced = true;
    cancelTimer ??= deps.clock.after(delayMs, flushInBackground);
  };

  return {
    noteWritten(bytes) {
      unsyncedBytes += bytes;
      schedule(options.syncDelayMs);
      if (unsyncedBytes < options.syncBytes || hasPlanned) return;
      hasPlanned = true; // until that flush begins, more bytes need no other
      flushInBackground();
    },
    async room(signal) {
      while (unsyncedBytes > options.maxUnsyncedBytes && !isClosed) {
        await new Promise<void>((resolve, reject) => {
          const leave = (): void => done(() => reject(signal?.reason));
          const wake = (): void => done(resolve);
          const done = (settle: () => void): void => {
            waiters.delete(wake);
            signal?.removeEventListener('abort', leave);
            settle();
          };
          waiters.add(wake);
          signal?.addEventListener('abort', leave, { once: true });
        });
      }
    },
    async sync() {
      await mutex.run(async () => {
        if (isUnsynced) await flush();
        const error = unheard;
        unheard = undefined;
        if (error) throw error;
      });
    },
    exclusively: (work) => mutex.run(work),
    async close() {
      isClosed = true;
      cancelTimer?.();
      for (const wake of waiters) wake();
      await mutex.run(async () => {
        if (isUnsynced) await flush();
      });
    },
    get unsyncedBytes() {
      return unsyncedBytes;
    },
  };
}
