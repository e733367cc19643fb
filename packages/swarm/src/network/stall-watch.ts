import type { Clock } from '@quarry/runtime';

/** Calls `onStall` once when `touch` has not been called for `idleMs`. One timer at a time, however often it is touched. */
export interface StallWatch {
  /** Bytes moved. Handed around as a callback. */
  readonly touch: () => void;
  /** Nothing is expected to move until the next `touch`. */
  pause(): void;
  stop(): void;
}

export function watchForStall(clock: Clock, idleMs: number, onStall: () => void): StallWatch {
  let lastMs = clock.now();
  let cancel = (): void => {};
  const arm = (ms: number): void => {
    cancel = clock.after(ms, () => {
      const leftMs = lastMs + idleMs - clock.now();
      if (leftMs > 0) arm(Math.min(idleMs, leftMs));
      else onStall();
    });
  };
  arm(idleMs);
  return {
    touch: () => {
      lastMs = clock.now();
    },
    pause: () => {
      lastMs = Infinity;
    },
    stop: () => cancel(),
  };
}
