import type { Clock } from '@quarry/runtime';

/** One direction of a node's link: slices leave one after another, so flows that send slice by slice share it evenly. */
export interface MemoryLink {
  /** Calls `done` when `bytes` have passed. */
  pass(bytes: number, done: () => void): void;
  setRate(bytesPerSecond: number): void;
  readonly passedBytes: number;
}

export function createMemoryLink(clock: Clock, bytesPerSecond: number): MemoryLink {
  const queue: { readonly bytes: number; readonly done: () => void }[] = [];
  let rate = bytesPerSecond;
  let passedBytes = 0;
  /** When the head of the queue began to pass; exact, so that rounding of timers does not add up. */
  let freeAtMs = 0;

  /** One timer a link, for the head of its queue. */
  const passNext = (): void => {
    const head = queue[0];
    if (!head) return;
    freeAtMs += (head.bytes / rate) * 1000;
    clock.after(freeAtMs - clock.now(), () => {
      queue.shift();
      passNext();
      head.done();
    });
  };
  return {
    pass(bytes, done) {
      passedBytes += bytes;
      if (rate === Infinity && queue.length === 0) return done();
      queue.push({ bytes, done });
      if (queue.length > 1) return;
      freeAtMs = Math.max(freeAtMs, clock.now());
      passNext();
    },
    setRate(next) {
      rate = next;
    },
    get passedBytes() {
      return passedBytes;
    },
  };
}
