/** The fullest second of a run, or the fullest of other lengths: what crossed in it, and when it ended. */
export interface FullestSpan {
  readonly bytes: number;
  readonly endMs: number;
}

/** A flow that is told of as one moment is spread over this long, so that every sum below is a continuous function. */
const SHORTEST_MS = 0.001;
const SECOND_MS = 1000;

/**
 * Sums up flows, each spread evenly over its time, and finds the fullest span of a length among all that begin at any moment. The bytes sent until
 * t are piecewise linear in t, so those of the span that ends at t are too, with bends only where a flow begins or ends, or did so a span ago:
 * the fullest span ends at one of them. O(flows × log flows), once.
 */
export class RateCheck {
  readonly #bends: { readonly atMs: number; readonly slope: number }[] = [];

  add(fromMs: number, untilMs: number, bytes: number): void {
    if (bytes <= 0) return;
    const endMs = Math.max(untilMs, fromMs + SHORTEST_MS);
    const slope = bytes / (endMs - fromMs);
    this.#bends.push({ atMs: fromMs, slope }, { atMs: endMs, slope: -slope });
  }

  fullest(spanMs: number = SECOND_MS): FullestSpan {
    const bends = this.#bends.toSorted((a, b) => a.atMs - b.atMs);
    const ends = [...bends.map(({ atMs }) => atMs), ...bends.map(({ atMs }) => atMs + spanMs)].toSorted(
      (a, b) => a - b,
    );
    const sentUntilEnd = runningSum(bends);
    const sentUntilStart = runningSum(bends);
    let fullest: FullestSpan = { bytes: 0, endMs: 0 };
    for (const endMs of ends) {
      const bytes = sentUntilEnd(endMs) - sentUntilStart(endMs - spanMs);
      if (bytes > fullest.bytes) fullest = { bytes, endMs };
    }
    return fullest;
  }
}

/** Bytes sent until t; to be asked with t that never goes back. */
function runningSum(bends: readonly { readonly atMs: number; readonly slope: number }[]): (atMs: number) => number {
  let next = 0;
  let slope = 0;
  let sumMs = 0;
  let sum = 0;
  return (atMs) => {
    for (let bend = bends[next]; bend !== undefined && bend.atMs <= atMs; bend = bends[++next]) {
      sum += slope * (bend.atMs - sumMs);
      sumMs = bend.atMs;
      slope += bend.slope;
    }
    return sum + slope * (atMs - sumMs);
  };
}
