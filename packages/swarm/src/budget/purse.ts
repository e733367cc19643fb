import type { Allowance } from './budget-events.ts';

/**
 * Bytes that a lease allows, as they come in: whoever takes some waits until they are all there, in order of asking. Nothing is taken on credit,
 * so in any time no more is given than came in then, and the one piece for which the first in line was saving. Pure.
 */
export interface Purse {
  allow(allowance: Pick<Allowance, 'bytesPerSecond' | 'untilMs'>, nowMs: number): void;
  /** `id` is told by `release` when its bytes are there. */
  take(id: number, bytes: number, nowMs: number): void;
  /** It does not want them any more. */
  cancel(id: number, nowMs: number): void;
  /** Those whose bytes are there now. */
  release(nowMs: number): readonly number[];
  wakeAtMs(): number;
  readonly waiting: number;
  /** Released since it was made. */
  readonly releasedBytes: number;
}

/** What may be saved up while nobody waits, at most: enough that a timer's delay costs nothing, too little to be seen on the link. */
export const PURSE_BURST_BYTES: number = 64 * 1024;
const BURST_MS = 50;

export function createPurse(nowMs: number): Purse {
  const queue: { readonly id: number; readonly bytes: number }[] = [];
  let [rate, untilMs, level, at, releasedBytes] = [0, 0, 0, nowMs, 0];
  const burst = (): number => Math.max(Math.min(PURSE_BURST_BYTES, (rate * BURST_MS) / 1000), queue[0]?.bytes ?? 0);
  const settle = (now: number): void => {
    const toMs = Math.min(now, untilMs);
    const most = burst();
    if (toMs > at && rate > 0) level = rate === Infinity ? most : Math.min(most, level + ((toMs - at) * rate) / 1000);
    at = Math.max(at, now);
  };
  return {
    allow(allowance, now) {
      settle(now);
      rate = allowance.bytesPerSecond;
      ({ untilMs } = allowance);
    },
    take(id, bytes, now) {
      settle(now);
      queue.push({ id, bytes });
    },
    cancel(id, now) {
      settle(now);
      const index = queue.findIndex((one) => one.id === id);
      if (index >= 0) queue.splice(index, 1);
      level = Math.min(level, burst());
    },
    release(now) {
      settle(now);
      const released: number[] = [];
      if (rate === 0 || now >= untilMs) return released;
      for (let head = queue[0]; head && (rate === Infinity || level >= head.bytes - 1e-3); head = queue[0]) {
        queue.shift();
        level = Math.max(0, level - head.bytes);
        releasedBytes += head.bytes;
        released.push(head.id);
      }
      return released;
    },
    wakeAtMs() {
      const head = queue[0];
      if (!head || rate === 0) return Infinity;
      const wakeMs = rate === Infinity ? at : at + (Math.max(0, head.bytes - level) / rate) * 1000;
      return wakeMs < untilMs ? wakeMs : Infinity;
    },
    get waiting() {
      return queue.length;
    },
    get releasedBytes() {
      return releasedBytes;
    },
  };
}
