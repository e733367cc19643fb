import type { Clock } from './clock.ts';

export interface VirtualClock extends Clock {
  /** Moves time on by `ms`, running what falls due in order; every promise that is ready settles before the first, between two, and after the last. */
  advance(ms: number): Promise<void>;
  /** How many timers are waiting. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that moves only when told to; `startWallMs` fixes the calendar so that traces are the same on every day. */
export function createVirtualClock(startWallMs: number = 1_750_000_000_000): VirtualClock {
  let nowMs = 0;
  let order = 0;
  const timers = new Set<Timer>();
  const schedule = (ms: number, run: () => void): (() => void) => {
    const timer: Timer = { at: nowMs + (ms > 0 ? ms : 0), order: order++, run };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  const nextDue = (limit: number): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) {
      if (timer.at > limit) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  };
  return {
    now: () => nowMs,
    wallMs: () => startWallMs + nowMs,
    after: schedule,
    sleep(ms, { signal } = {}) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const cancel = schedule(ms, () => {
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
    async advance(ms) {
      const limit = nowMs + ms;
      await settle();
      for (let due = nextDue(limit); due; due = nextDue(limit)) {
        timers.delete(due);
        nowMs = Math.max(nowMs, due.at);
        due.run();
        await settle();
      }
      nowMs = Math.max(nowMs, limit); // two may advance at once
    },
    get pending() {
      return timers.size;
    },
  };
}

/** A turn of the event loop: every promise chain that is ready has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
