import type { Clock } from '@quarry/runtime';

/**
 * Notices when nothing has come for too long from somebody of whom something is awaited. Costs a look at the clock per event and one timer
 * per `limitMs`, however many events there are.
 */
export interface StallWatch {
  /** Something is awaited from now on; it goes on being awaited where it already was. */
  await(): void;
  /** Something came; more is awaited. */
  moved(): void;
  /** Nothing is awaited: somebody else is the slow one. */
  rest(): void;
  /** Ends the watch. */
  close(): void;
}

/** `onStall` runs once, when nothing was heard for `limitMs` while something was awaited. */
export function createStallWatch(clock: Clock, limitMs: number, onStall: () => void): StallWatch {
  let sinceMs: number | undefined;
  let cancel: (() => void) | undefined;
  let isClosed = false;
  const arm = (ms: number): void => {
    cancel = clock.after(ms, () => {
      cancel = undefined;
      if (sinceMs === undefined || isClosed) return;
      const leftMs = sinceMs + limitMs - clock.now();
      if (leftMs > 0) return arm(leftMs);
      isClosed = true;
      onStall();
    });
  };
  const from = (nowMs: number): void => {
    sinceMs = nowMs;
    if (cancel === undefined && !isClosed) arm(limitMs);
  };
  return {
    await() {
      if (sinceMs === undefined) from(clock.now());
    },
    moved: () => from(clock.now()),
    rest() {
      sinceMs = undefined;
    },
    close() {
      isClosed = true;
      cancel?.();
      cancel = undefined;
    },
  };
}
