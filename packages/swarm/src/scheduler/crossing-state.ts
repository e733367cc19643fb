import type { PeerId } from '../ports/network.ts';

/** Whose turn it is to fetch pieces of one pack from outside the zone. Only where zones matter. */
export interface CrossingState {
  /** The other members of this zone that want the pack, by their rendezvous keys. */
  readonly mates: Map<PeerId, number>;
  readonly ownKey: number;
  /** Per piece: how many of them come before this node. */
  readonly ranks: Uint16Array;
  /** Per piece: since when it is open and shown and nobody was asked for it; Infinity when it is not so. */
  readonly sinceMs: Float64Array;
  /** The next look at which pieces may cross by now. */
  lookAtMs: number;
}
