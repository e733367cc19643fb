// Flows over links, as a fluid. Rates are computed for all flows together (max-min-shares.ts), at most once per quantum.
// In between only what is local moves: an ended flow leaves its rate free on its links, a new one takes what is free on all
// of its own, a lowered link slows its flows. So no link ever carries more than its rate, and an end is exact for its rate.
//
// Ends stay out of the event queue: most move with the next computation, which comes before they are due. Those due before
// it wait in a heap of the network's own, with one event for the first.
import type { EventQueue } from './event-queue.ts';
import { FlowEnds } from './flow-ends.ts';
import type { FlowNetwork } from './flow-network.ts';
import { FlowTable, MAX_FLOW_LINKS } from './flow-table.ts';
import { LinkTable } from './link-table.ts';
import { MaxMinShares } from './max-min-shares.ts';

/** Flows as a fluid; who computes what, and when, stands at the head of the file. */
export class FluidNetwork implements FlowNetwork {
  readonly #queue: EventQueue;
  readonly #quantumMs: number;
  readonly #links = new LinkTable();
  readonly #flows = new FlowTable();
  readonly #shares = new MaxMinShares();
  readonly #ends: FlowEnds;
  #computedAtMs = Number.NEGATIVE_INFINITY;
  #isComputationDue = false;
  readonly #compute = (): void => this.#computeRates();

  constructor(queue: EventQueue, quantumMs: number) {
    this.#queue = queue;
    this.#quantumMs = quantumMs;
    this.#ends = new FlowEnds(queue, this.#flows, (slot) => this.#endFlow(slot));
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
    this.#ends.forget();
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
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      if (flows.rates[slot] !== rates[slot]) flows.setRate(slot, rates[slot]!, nowMs);
      const rate = flows.rates[slot]!;
      const from = slot * MAX_FLOW_LINKS;
      const to = from + flows.linkCounts[slot]!;
      for (let at = from; at < to; at++) links.allocated[flows.links[at]!]! += rate;
    }
    // What changes before that time is computed then, what changes after it at once: no end beyond is missed.
    this.#ends.gather(nowMs + this.#quantumMs);
  }

  #endFlow(slot: number): void {
    this.#creditRest(slot);
    this.#remove(slot);
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
      links.flows[link]!--;
      // Of nothing nothing remains: differences of rounded sums would.
      const rest = links.flows[link] === 0 ? 0 : links.allocated[link]! - flows.rates[slot]!;
      links.allocated[link] = Math.max(0, rest);
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
    if (rate > flows.rates[slot]! || this.#ends.isDue(slot)) this.#setRate(slot, rate);
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
      links.allocated[link] = Math.max(0, links.allocated[link]! + (flows.rates[slot]! - before));
    }
    this.#ends.move(slot);
  }

  /** Looks at every flow: links change too rarely to keep their flows listed. */
  #scaleFlows(link: number, factor: number): void {
    const flows = this.#flows;
    let allocated = 0;
    for (let i = 0; i < flows.count; i++) {
      const slot = flows.active[i]!;
      const from = slot * MAX_FLOW_LINKS;
      const to = from + flows.linkCounts[slot]!;
      for (let at = from; at < to; at++) {
        if (flows.links[at] !== link) continue;
        this.#setRate(slot, flows.rates[slot]! * factor);
        allocated += flows.rates[slot]!;
      }
    }
    // The differences add up to a hair more or less, and a link that stands still carries not even that.
    this.#links.allocated[link] = allocated;
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
