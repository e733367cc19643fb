import type { Clock } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';

/** Score points a rejected message costs whoever passed it on: gossipsub stops talking to a peer below -10 and listening to it below -80. */
const POINTS_PER_REJECT = 10;
const HALVING_MS = 60_000;

/**
 * gossipsub's own penalty for invalid messages (P4) needs every topic configured before the node starts; this one counts over all
 * topics and fades by half each minute, so that one broken message is forgiven and a source of them is not heard for minutes.
 */
export interface GossipPenalties {
  add(peer: PeerId): void;
  /** 0 or less, as gossipsub's application-specific score. */
  scoreOf(peer: PeerId): number;
}

export function createGossipPenalties(clock: Clock): GossipPenalties {
  const penalties = new Map<PeerId, { points: number; atMs: number }>();
  const pointsNow = (peer: PeerId): number => {
    const penalty = penalties.get(peer);
    return penalty ? penalty.points * 2 ** ((penalty.atMs - clock.now()) / HALVING_MS) : 0;
  };
  return {
    add(peer) {
      for (const other of penalties.keys()) if (pointsNow(other) < 1) penalties.delete(other);
      penalties.set(peer, { points: pointsNow(peer) + POINTS_PER_REJECT, atMs: clock.now() });
    },
    scoreOf: (peer) => 0 - pointsNow(peer),
  };
}
