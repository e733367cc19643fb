// Flows over links, as a fluid. Rates are computed for all flows together (max-min-shares.ts), at most once per quantum.
// In between only what is local moves: an ended flow leaves its rate free on its links, a new one takes what is free on all
// of its own, a lowered link slows its flows. So no link ever carries more than its rate, and an end is exact for its rate.
//
// Ends stay out of the event queue: most move with the next computation, which comes before they are due. Those due before
// it wait in a heap of the network's own, with one event for the first.
import { EntryHeap } from './entry-heap.ts';
import type { EventQueue } from './event-queue.ts';
import { FlowTable, MAX_FLOW_LINKS } from './flow-table.ts';
import { LinkTable } from './link-table.ts';
import { MaxMinShares } from './max-min-shares.ts';

/** Rates are bytes per second, 0 to Infinity; times are the queue's, in ms. Arguments out of range are a TypeError. */
export interface FlowNetwork {
  /** Infinity: never a bottleneck. Returns the link. */
  addLink(bytesPerSecond: number): number;
  /** 0: stands still. A lower rate holds at once, a higher one from the next computation on. */
  setLinkRate(link: number, bytesPerSecond: number): void;
  /**
   * Bytes begin to flow now over 1 to 5 different links; `done` is called once, when the last has passed, never from
   * inside this call. `maxBytesPerSecond` is a cap of the flow's own (default Infinity). Returns the flow.
   */
  start(links: readonly number[], bytes: number, done: () => void, maxBytesPerSecond?: number): number;
  /** An unknown or ended flow is left alone. */
  setFlowCap(flow: number, maxBytesPerSecond: number): void;
  /** Ends a flow early, without `done`; returns the bytes that had passed. 0 for an unknown or ended flow. */
  cancel(flow: number): number;
  /** So far; 0 for an unknown or ended flow. */
  passedBytes(flow: number): number;
  /** Carried so far by a link, all flows, those that were cancelled too. */
  linkBytes(link: number): number;
  /** Allocated now. What changed at this very instant may still wait for the computation that ends the instant. */
  linkRateNow(link: number): number;
  /** Under way. */
  readonly flows: number;
}

export interface FlowNetworkOptions {
  /** Rates are computed at most once in so many ms; 0: at each instant at which something changed. */
  readonly quantumMs: number;
}

export function createFlowNetwork(queue: EventQueue, options: FlowNetworkOptions): FlowNetwork {
  if (!(options.quantumMs >= 0 && options.quantumMs < Number.POSITIVE_INFINITY)) {
    throw new TypeError(`quantumMs must be 0 or more and finite, not ${options.quantumMs}`);
  }
  return new FluidNetwork(queue, options.quantumMs);
}

class FluidNetwork implements FlowNetwork {
  readonly #queue: EventQueue;
  readonly #quantumMs: number;
  readonly #links = new LinkTable();
  readonly #flows = new FlowTable();
  readonly #shares = new MaxMinShares();
  // Flows due until #horizonMs, by (end, order of start). An entry whose flow ended or changed its end is passed over.
  readonly #ends = new EntryHeap();
  #horizonMs = Number.NEGATIVE_INFINITY;
  #endEvent: number | undefined;
  #endEventMs = 0;
  #computedAtMs = Number.NEGATIVE_INFINITY;
  #isComputationDue = false;
  readonly #compute = (): void => this.#computeRates();
  readonly #end = (): void => this.#endDueFlows();

  constructor(queue: EventQueue, quantumMs: number) {
    this.#queue = queue;
    this.#quantumMs = quantumMs;
  }

  get flows(): number {
    return this.#flows.count;
  }

  addLink(bytesPerSecond: number): number {
    return this.#links.add(rateOf(bytesPerSecond));
  }

  setLinkRate(link: number, bytesPerSecond: number): void {
    const links = this.#links;
    this.#checkLink(link);
    if (links.rates[link] === rateOf(bytesPerSecond)) return;
    links.rates[link] = bytesPerSecond;
    const allocated = links.allocated[link]!;
    if (allocated > bytesPerSecond) this.#scaleFlows(link, bytesPerSecond / allocated);
    this.#changed();
  }

  start(
    links: readonly number[],
    bytes: number,
    done: () => void,
    maxBytesPerSecond: number = Number.POSITIVE_INFINITY,
  ): number {
    this.#checkPath(links);
    if (!(bytes >= 0 && bytes < Number.POSITIVE_INFINITY)) throw new TypeError(`a flow of ${bytes} bytes`);
    const slot = this.#flows.add(links, bytes, rateOf(maxBytesPerSecond), this.#queue.nowMs, done);
    for (const link of links) this.#links.flows[link]!++;
    this.#changed();
    this.#takeFree(slot);
    return this.#flows.slots.idOf(slot);
  }

  setFlowCap(flow: number, maxBytesPerSecond: number): void {
    const flows = this.#flows;
    const cap = rateOf(maxBytesPerSecond);
    const slot = flows.slots.slotOf(flow);
    if (slot < 0) return;
    const rate = flows.rates[slot]!;
    const wasBound = flows.caps[slot]! <= rate;
    flows.caps[slot] = cap;
    if (cap < rate) this.#setRate(slot, cap);
    else if (!wasBound) return;
    this.#changed();
    if (cap > rate) this.#takeFree(slot);
  }

  cancel(flow: number): number {
    const slot = this.#flows.slots.slotOf(flow);
    if (slot < 0) return 0;
    const passed = this.passedBytes(flow);
    this.#remove(slot);
    this.#arrangeEndEvent();
    return passed;
  }

  passedBytes(flow: number): number {
    const slot = this.#flows.slots.slotOf(flow);
    if (slot < 0) return 0;
    const bytes = this.#flows.bytes[slot]!;
    return Math.min(bytes, Math.max(0, bytes - this.#flows.remainingBytes(slot, this.#queue.nowMs)));
  }

  linkBytes(link: number): number {
    this.#checkLink(link);
    this.#links.settle(link, this.#queue.nowMs);
    return this.#links.carried[link]!;
  }

  linkRateNow(link: number): number {
    this.#checkLink(link);
    return this.#links.allocated[link]!;
  }

  #changed(): void {
    if (this.#isComputationDue || this.#flows.count === 0) return;
    this.#isComputationDue = true;
    this.#queue.at(Math.max(this.#queue.nowMs, this.#computedAtMs + this.#quantumMs), this.#compute);
  }

  #computeRates(): void {
    const nowMs = this.#queue.nowMs;
    const flows = this.#flows;
    const links = this.#links;
    this.#isComputationDue = false;
    this.#computedAtMs = nowMs;
    this.#shares.compute(links, flows);
    const rates = this.#shares.rates;
    for (let link = 0; link < links.count; link++) {
      links.settle(link, nowMs);
      links.allocated[link] = 0;
    }
    let firstEndMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      if (flows.rates[slot] !== rates[slot]) flows.setRate(slot, rates[slot]!, nowMs);
      if (flows.endsAtMs[slot]! < firstEndMs) firstEndMs = flows.endsAtMs[slot]!;
      const rate = flows.rates[slot]!;
      const from = slot * MAX_FLOW_LINKS;
      const to = from + flows.linkCounts[slot]!;
      for (let at = from; at < to; at++) links.allocated[flows.links[at]!]! += rate;
    }
    this.#gatherEnds(firstEndMs);
  }

  /** What changes before the horizon is computed at it; what changes after it, at once. So no end beyond is missed. */
  #gatherEnds(firstEndMs: number): void {
    const flows = this.#flows;
    const nextMs = this.#computedAtMs + this.#quantumMs;
    this.#horizonMs = firstEndMs < Number.POSITIVE_INFINITY ? Math.max(firstEndMs, nextMs) : nextMs;
    this.#ends.clear();
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      const endMs = flows.endsAtMs[slot]!;
      if (endMs <= this.#horizonMs) this.#ends.append(endMs, flows.order[slot]!, slot);
    }
    this.#ends.order();
    this.#arrangeEndEvent();
  }

  /** One event for the first end that still holds. */
  #arrangeEndEvent(): void {
    const has = this.#skipStaleEnds();
    if (this.#endEvent !== undefined) {
      if (has && this.#endEventMs === this.#ends.firstKey) return;
      this.#queue.cancel(this.#endEvent);
      this.#endEvent = undefined;
    }
    if (!has) return;
    this.#endEventMs = this.#ends.firstKey;
    this.#endEvent = this.#queue.at(this.#endEventMs, this.#end);
  }

  #skipStaleEnds(): boolean {
    const ends = this.#ends;
    const flows = this.#flows;
    while (ends.size > 0) {
      const slot = ends.firstValue;
      const isSameFlow = flows.done[slot] !== undefined && flows.order[slot] === ends.firstTie;
      if (isSameFlow && flows.endsAtMs[slot] === ends.firstKey) return true;
      ends.removeFirst();
    }
    return false;
  }

  /** All that are due together, so that what follows from them is computed once. */
  #endDueFlows(): void {
    this.#endEvent = undefined;
    try {
      while (this.#skipStaleEnds() && this.#ends.firstKey <= this.#queue.nowMs) {
        const slot = this.#ends.firstValue;
        const done = this.#flows.done[slot]!;
        this.#ends.removeFirst();
        this.#creditRest(slot);
        this.#remove(slot);
        done();
      }
    } finally {
      this.#arrangeEndEvent();
    }
  }

  /** What rounded times left over, or let pass too much, so that links carry the bytes of their flows and no others. */
  #creditRest(slot: number): void {
    const rest = this.#flows.remainingBytes(slot, this.#queue.nowMs);
    const from = slot * MAX_FLOW_LINKS;
    const to = from + this.#flows.linkCounts[slot]!;
    for (let at = from; at < to; at++) this.#links.carried[this.#flows.links[at]!]! += rest;
  }

  #remove(slot: number): void {
    const links = this.#links;
    const flows = this.#flows;
    const from = slot * MAX_FLOW_LINKS;
    const to = from + flows.linkCounts[slot]!;
    for (let at = from; at < to; at++) {
      const link = flows.links[at]!;
      links.settle(link, this.#queue.nowMs);
      // Of nothing nothing remains: differences of rounded sums would.
      const left = --links.flows[link]! === 0 ? 0 : links.allocated[link]! - flows.rates[slot]!;
      links.allocated[link] = left > 0 ? left : 0;
    }
    flows.remove(slot);
    this.#changed();
  }

  /** Until the next computation; when that comes at this instant, it is left to it. */
  #takeFree(slot: number): void {
    if (this.#computedAtMs + this.#quantumMs <= this.#queue.nowMs) return;
    const flows = this.#flows;
    const from = slot * MAX_FLOW_LINKS;
    const to = from + flows.linkCounts[slot]!;
    let free = Number.POSITIVE_INFINITY;
    for (let at = from; at < to; at++) free = Math.min(free, this.#links.free(flows.links[at]!));
    const rate = Math.min(flows.caps[slot]!, flows.rates[slot]! + free);
    if (rate > flows.rates[slot]! || flows.endsAtMs[slot]! <= this.#horizonMs) this.#setRate(slot, rate);
  }

  /** In place, between two computations. */
  #setRate(slot: number, rate: number): void {
    const links = this.#links;
    const flows = this.#flows;
    const nowMs = this.#queue.nowMs;
    const before = flows.rates[slot]!;
    flows.setRate(slot, rate, nowMs);
    const from = slot * MAX_FLOW_LINKS;
    const to = from + flows.linkCounts[slot]!;
    for (let at = from; at < to; at++) {
      const link = flows.links[at]!;
      links.settle(link, nowMs);
      links.allocated[link]! += flows.rates[slot]! - before;
    }
    const endMs = flows.endsAtMs[slot]!;
    if (endMs > this.#horizonMs) return;
    this.#ends.push(endMs, flows.order[slot]!, slot);
    this.#arrangeEndEvent();
  }

  /** Looks at every flow: links change too rarely to keep their flows listed. */
  #scaleFlows(link: number, factor: number): void {
    const flows = this.#flows;
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      const from = slot * MAX_FLOW_LINKS;
      const to = from + flows.linkCounts[slot]!;
      for (let at = from; at < to; at++) {
        if (flows.links[at] === link) this.#setRate(slot, flows.rates[slot]! * factor);
      }
    }
  }

  #checkLink(link: number): void {
    if (!Number.isInteger(link) || link < 0 || link >= this.#links.count)
      throw new TypeError(`there is no link ${link}`);
  }

  #checkPath(links: readonly number[]): void {
    if (links.length < 1 || links.length > MAX_FLOW_LINKS) {
      throw new TypeError(`a flow takes 1 to ${MAX_FLOW_LINKS} links, not ${links.length}`);
    }
    for (const [at, link] of links.entries()) {
      this.#checkLink(link);
      if (links.indexOf(link) !== at) throw new TypeError(`a flow passes link ${link} twice`);
    }
  }
}

function rateOf(bytesPerSecond: number): number {
  if (!(bytesPerSecond >= 0)) throw new TypeError(`a rate of ${bytesPerSecond} bytes per second`);
  return bytesPerSecond;
}
