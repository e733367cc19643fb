/**
 * How many pieces a seeder has on their way at once: as many as fill its link, and no more. Its flow is one among some ten at each receiver, so that with
 * few slots it runs below what the store's link gives and everybody waits for it (prototype: 1.30 instead of 1.00 where the store is 20 times faster
 * than a host); with far too many each piece takes for ever to leave, and nobody can pass it on. So it grows while its rate is below the best it has
 * seen, keeps what helped, takes back what did not, and tries again later.
 */
export interface SeederSlots {
  readonly count: number;
  /** A piece of so many chunks has left. `isShort`: others wait for a slot. */
  sent(chunks: number, isShort: boolean, nowMs: number): void;
}

export interface SeederSlotsOptions {
  readonly minSlots: number;
  readonly maxSlots: number;
}

const GROWTH = 1.5;
/** A rate so near to the best counts as it. */
const FULL = 0.97;
/** Growth that brings less than this was not worth it. */
const WORTH = 1.03;
/** Batches until something that did not help is tried again. */
const REST_BATCHES = 12;
/** The best rate is believed a little less with each batch: the link may have become slower. */
const FADE = 0.998;

export function createSeederSlots({ minSlots, maxSlots }: SeederSlotsOptions): SeederSlots {
  let count = minSlots;
  let best = 0;
  let before: { readonly count: number; readonly rate: number } | undefined;
  let rest = REST_BATCHES / 2;
  let batch = { sinceMs: undefined as number | undefined, pieces: 0, chunks: 0, wasShort: true };

  const grow = (rate: number): void => {
    before = { count, rate };
    count = Math.min(maxSlots, Math.ceil(count * GROWTH));
  };
  /** A batch is over: was the last change good, and is there room for another? */
  const judge = (rate: number): void => {
    best = Math.max(best * FADE, rate);
    if (before) {
      const helped = rate >= before.rate * WORTH;
      if (!helped) {
        count = before.count;
        rest = REST_BATCHES;
      }
      before = undefined;
      if (!helped) return;
      rest = 0; // what helped may help again
    }
    rest -= 1;
    if (rate < best * FULL ? rest <= REST_BATCHES / 2 : rest <= 0) {
      rest = REST_BATCHES;
      grow(rate);
    }
  };
  return {
    get count() {
      return count;
    },
    sent(chunks, isShort, nowMs) {
      batch.sinceMs ??= nowMs;
      batch.pieces += 1;
      batch.chunks += chunks;
      batch.wasShort &&= isShort;
      if (batch.pieces <= count || nowMs <= batch.sinceMs) return;
      // Who had slots to spare was not held back by them: that batch says nothing.
      if (batch.wasShort) judge((batch.chunks - chunks) / (nowMs - batch.sinceMs));
      batch = { sinceMs: nowMs, pieces: 1, chunks, wasShort: isShort };
    },
  };
}
