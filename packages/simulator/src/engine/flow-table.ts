import { grown } from './entry-heap.ts';
import { SlotTable } from './slot-table.ts';

/** Links of one flow, at most: the sender's uplink, two between zones, the receiver's downlink, the origin's. */
export const MAX_FLOW_LINKS = 5;

// Below this a remainder is rounding, not bytes.
const NOTHING_BYTES = 1e-6;

/** The flows under way, one array per property, indexed by slot. Bytes, ms, bytes per second. */
export class FlowTable {
  readonly slots: SlotTable = new SlotTable();
  readonly done: ((() => void) | undefined)[] = [];
  /** The slots in use, in no order that matters but the same in each run: `active[0 .. count)`. */
  active: Int32Array = new Int32Array(this.slots.capacity);
  count: number = 0;
  /** `MAX_FLOW_LINKS` places a flow, the first `linkCounts` of them taken. */
  links: Int32Array = new Int32Array(this.slots.capacity * MAX_FLOW_LINKS);
  linkCounts: Int32Array = new Int32Array(this.slots.capacity);
  bytes: Float64Array = new Float64Array(this.slots.capacity);
  rates: Float64Array = new Float64Array(this.slots.capacity);
  caps: Float64Array = new Float64Array(this.slots.capacity);
  /** At this rate; Infinity when it stands still. */
  endsAtMs: Float64Array = new Float64Array(this.slots.capacity);
  /** Which flow came first, in ties. */
  order: Float64Array = new Float64Array(this.slots.capacity);
  /** Bytes left at `settledAtMs`. */
  #remaining: Float64Array = new Float64Array(this.slots.capacity);
  #settledAtMs: Float64Array = new Float64Array(this.slots.capacity);
  #places: Int32Array = new Int32Array(this.slots.capacity);
  #started = 0;

  add(links: readonly number[], bytes: number, cap: number, nowMs: number, done: () => void): number {
    const slot = this.slots.acquire();
    if (this.slots.capacity > this.active.length) this.#grow(this.slots.capacity);
    this.done[slot] = done;
    this.linkCounts[slot] = links.length;
    for (let i = 0; i < links.length; i++) this.links[slot * MAX_FLOW_LINKS + i] = links[i]!;
    this.bytes[slot] = bytes;
    this.caps[slot] = cap;
    this.order[slot] = this.#started++;
    this.#remaining[slot] = bytes;
    this.#settledAtMs[slot] = nowMs;
    this.#places[slot] = this.count;
    this.active[this.count++] = slot;
    this.rates[slot] = 0;
    this.endsAtMs[slot] = bytes < NOTHING_BYTES ? nowMs : Number.POSITIVE_INFINITY;
    return slot;
  }

  remove(slot: number): void {
    const last = this.active[--this.count]!;
    const place = this.#places[slot]!;
    this.active[place] = last;
    this.#places[last] = place;
    this.done[slot] = undefined;
    this.slots.release(slot);
  }

  /** What is left, or a hair beside it: negative when the rounding of times let more pass than there was. */
  remainingBytes(slot: number, nowMs: number): number {
    return this.#remaining[slot]! - (this.rates[slot]! * (nowMs - this.#settledAtMs[slot]!)) / 1_000;
  }

  /**
   * The flow goes on at `rate` from now; its end moves. A flow at an infinite rate ends now and holds no rate: times an
   * interval of zero it would make the bytes of its links not a number.
   */
  setRate(slot: number, rate: number, nowMs: number): void {
    const left = this.remainingBytes(slot, nowMs);
    const endsNow = left < NOTHING_BYTES || rate === Number.POSITIVE_INFINITY;
    this.#remaining[slot] = left;
    this.#settledAtMs[slot] = nowMs;
    this.rates[slot] = rate === Number.POSITIVE_INFINITY ? 0 : rate;
    if (endsNow) this.endsAtMs[slot] = nowMs;
    else this.endsAtMs[slot] = rate > 0 ? nowMs + (left * 1_000) / rate : Number.POSITIVE_INFINITY;
  }

  #grow(room: number): void {
    this.active = grown(this.active, new Int32Array(room));
    this.links = grown(this.links, new Int32Array(room * MAX_FLOW_LINKS));
    this.linkCounts = grown(this.linkCounts, new Int32Array(room));
    this.bytes = grown(this.bytes, new Float64Array(room));
    this.rates = grown(this.rates, new Float64Array(room));
    this.caps = grown(this.caps, new Float64Array(room));
    this.endsAtMs = grown(this.endsAtMs, new Float64Array(room));
    this.order = grown(this.order, new Float64Array(room));
    this.#remaining = grown(this.#remaining, new Float64Array(room));
    this.#settledAtMs = grown(this.#settledAtMs, new Float64Array(room));
    this.#places = grown(this.#places, new Int32Array(room));
  }
}
