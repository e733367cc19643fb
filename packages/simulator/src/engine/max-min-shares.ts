// Max-min fair rates by water filling (Bertsekas & Gallager, "Data Networks", 6.5.2): the link with the least left for each
// of its flows freezes them at that share; what they take elsewhere is subtracted there; again with what remains. A flow's
// own cap is one more link, with that flow alone.
//
// A link's share only grows while others freeze, so the heap need not follow: the first entry is brought up to date when it
// is looked at, and is the bottleneck once its share is the one it was filed under.
import { EntryHeap } from './entry-heap.ts';
import { type FlowTable, MAX_FLOW_LINKS } from './flow-table.ts';
import type { LinkTable } from './link-table.ts';

const UNFROZEN = -1;

/** Keeps its arrays from one computation to the next: it runs thousands of times over ten thousand flows. */
export class MaxMinShares {
  /** By flow slot; Infinity where nothing bounds the flow. */
  rates: Float64Array = new Float64Array(0);
  readonly #heap: EntryHeap = new EntryHeap();
  // The flows of link l: #members[#ends[l - 1] .. #ends[l]).
  #members: Int32Array = new Int32Array(0);
  #ends: Int32Array = new Int32Array(0);
  #left: Float64Array = new Float64Array(0);
  #unfrozen: Int32Array = new Int32Array(0);

  compute(links: LinkTable, flows: FlowTable): void {
    const heap = this.#heap;
    this.#prepare(links, flows);
    let unfrozen = flows.count;
    while (unfrozen > 0 && heap.size > 0) {
      const first = heap.firstValue;
      if (first >= links.count) {
        const slot = first - links.count;
        heap.removeFirst();
        if (this.rates[slot] !== UNFROZEN) continue;
        this.#freeze(flows, slot, flows.caps[slot]!);
        unfrozen--;
        continue;
      }
      const waiting = this.#unfrozen[first]!;
      if (waiting === 0) {
        heap.removeFirst();
        continue;
      }
      const share = Math.max(0, this.#left[first]! / waiting);
      if (share > heap.firstKey) {
        heap.raiseFirst(share);
        continue;
      }
      heap.removeFirst();
      const end = this.#ends[first]!;
      for (let at = first === 0 ? 0 : this.#ends[first - 1]!; at < end; at++) {
        const slot = this.#members[at]!;
        if (this.rates[slot] === UNFROZEN) this.#freeze(flows, slot, share);
      }
      unfrozen -= waiting;
    }
    if (unfrozen > 0) this.#unbind(flows);
  }

  #prepare(links: LinkTable, flows: FlowTable): void {
    this.#makeRoom(links, flows);
    const heap = this.#heap;
    const ends = this.#ends;
    heap.clear();
    let placed = 0;
    for (let link = 0; link < links.count; link++) {
      const count = links.flows[link]!;
      const rate = links.rates[link]!;
      this.#left[link] = rate;
      this.#unfrozen[link] = count;
      // Where its members begin: filling moves it to where they end.
      ends[link] = placed;
      placed += count;
      if (count > 0 && rate < Number.POSITIVE_INFINITY) heap.append(rate / count, link, link);
    }
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      this.rates[slot] = UNFROZEN;
      const cap = flows.caps[slot]!;
      if (cap < Number.POSITIVE_INFINITY) heap.append(cap, links.count + slot, links.count + slot);
      const from = slot * MAX_FLOW_LINKS;
      const to = from + flows.linkCounts[slot]!;
      for (let at = from; at < to; at++) this.#members[ends[flows.links[at]!]!++] = slot;
    }
    heap.order();
  }

  #freeze(flows: FlowTable, slot: number, rate: number): void {
    this.rates[slot] = rate;
    const from = slot * MAX_FLOW_LINKS;
    const to = from + flows.linkCounts[slot]!;
    for (let at = from; at < to; at++) {
      const link = flows.links[at]!;
      this.#left[link]! -= rate;
      this.#unfrozen[link]!--;
    }
  }

  #unbind(flows: FlowTable): void {
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      if (this.rates[slot] === UNFROZEN) this.rates[slot] = Number.POSITIVE_INFINITY;
    }
  }

  #makeRoom(links: LinkTable, flows: FlowTable): void {
    const linkRoom = links.rates.length;
    if (this.#left.length < linkRoom) {
      this.#left = new Float64Array(linkRoom);
      this.#unfrozen = new Int32Array(linkRoom);
      this.#ends = new Int32Array(linkRoom);
    }
    const flowRoom = flows.active.length;
    if (this.rates.length < flowRoom) {
      this.rates = new Float64Array(flowRoom);
      this.#members = new Int32Array(flowRoom * MAX_FLOW_LINKS);
    }
  }
}
