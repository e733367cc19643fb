import type { EventQueue } from './event-queue.ts';
import { FluidNetwork } from './fluid-network.ts';

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
