import type { PeerId } from '../ports/network.ts';

/** Which connections to hang up: those that the neighbour graph has no use for, when nothing has passed on them for a while. Pure. */
export interface Excess {
  /** `others`: connected nodes that are no neighbours. Returns those that have been so, and unused, for `idleMs`. */
  next(others: readonly PeerId[], nowMs: number, lastUsedMs: (peer: PeerId) => number | undefined): PeerId[];
}

export function createExcess(options: { readonly idleMs: number }): Excess {
  let sinceMs = new Map<PeerId, number>();
  return {
    next(others, nowMs, lastUsedMs) {
      // Who was a neighbour, or not connected, at the last look begins anew: who was dialled for a piece has time to give it.
      sinceMs = new Map(others.map((peer) => [peer, sinceMs.get(peer) ?? nowMs]));
      return others.filter((peer) => {
        const idleSinceMs = Math.max(sinceMs.get(peer) ?? nowMs, lastUsedMs(peer) ?? -Infinity);
        return nowMs - idleSinceMs >= options.idleMs;
      });
    },
  };
}
