import { grown } from './entry-heap.ts';

/** The links of a network, one array per property. Rates in bytes per second, times in ms. */
export class LinkTable {
  count: number = 0;
  rates: Float64Array = new Float64Array(64);
  /** The sum of the rates of the flows on the link. */
  allocated: Float64Array = new Float64Array(64);
  /** Flows on the link. */
  flows: Int32Array = new Int32Array(64);
  /** Bytes carried until `settledAtMs`; since then `allocated` tells. */
  carried: Float64Array = new Float64Array(64);
  settledAtMs: Float64Array = new Float64Array(64);

  add(rate: number): number {
    if (this.count === this.rates.length) this.#grow();
    this.rates[this.count] = rate;
    return this.count++;
  }

  free(link: number): number {
    const free = this.rates[link]! - this.allocated[link]!;
    return free > 0 ? free : 0;
  }

  settle(link: number, nowMs: number): void {
    this.carried[link]! += (this.allocated[link]! * (nowMs - this.settledAtMs[link]!)) / 1_000;
    this.settledAtMs[link] = nowMs;
  }

  #grow(): void {
    const room = this.count * 2;
    this.rates = grown(this.rates, new Float64Array(room));
    this.allocated = grown(this.allocated, new Float64Array(room));
    this.flows = grown(this.flows, new Int32Array(room));
    this.carried = grown(this.carried, new Float64Array(room));
    this.settledAtMs = grown(this.settledAtMs, new Float64Array(room));
  }
}
