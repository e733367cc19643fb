import type { PeerId } from '../ports/network.ts';
import type { Role } from '../scheduler/fetch-events.ts';
import { pieceScore, textKey } from '../scheduler/rendezvous.ts';

export interface Neighbour {
  readonly peer: PeerId;
  readonly role: Role;
}

/**
 * Whom a node should be connected to: every seeder, and among the nodes a near-regular random graph that all compute alike. Each of
 * targetDegree / 2 rings orders the nodes by another hash; neighbours are those next to one in any ring. Unions of random cycles are expanders
 * with high probability (Law and Siu, "Distributed construction of random expander networks", 2003), every node has the same degree, and one who
 * comes or goes moves two links a ring. A star, which is what bootstrap lists make, loses a third of all gossip (docs: PROTOCOL.md).
 */
export function neighboursOf(
  self: Neighbour,
  members: readonly Neighbour[],
  options: { readonly targetDegree: number },
): PeerId[] {
  // A seeder is dialled by all; it needs nobody.
  if (self.role === 'seeder') return [];
  const seeders = members.filter((member) => member.role === 'seeder').map((member) => member.peer);
  const nodes = members.filter((member) => member.role === 'node').map((member) => member.peer);
  if (nodes.length <= options.targetDegree) return [...seeders, ...nodes];
  const keys = nodes.map((peer) => textKey(peer));
  const ownKey = textKey(self.peer);
  const chosen = new Set<PeerId>();
  for (let ring = 0; ring < options.targetDegree / 2; ring += 1) {
    const own = pieceScore(ownKey, ring);
    let [next, previous]: (PeerId | undefined)[] = [];
    let [nextAfter, previousAfter] = [Infinity, Infinity];
    for (const [index, peer] of nodes.entries()) {
      const forward = (pieceScore(keys[index] ?? 0, ring) - own) >>> 0;
      const backward = -forward >>> 0;
      if (forward < nextAfter) [next, nextAfter] = [peer, forward];
      if (backward < previousAfter) [previous, previousAfter] = [peer, backward];
    }
    if (next !== undefined) chosen.add(next);
    if (previous !== undefined) chosen.add(previous);
  }
  return [...seeders, ...chosen];
}

/** Of two that should be connected one dials first, so that they do not both: the other waits a little. Each is first about half of the time. */
export function dialsFirst(self: Neighbour, other: Neighbour): boolean {
  if (other.role === 'seeder') return true;
  const [low, high] = self.peer < other.peer ? [self.peer, other.peer] : [other.peer, self.peer];
  return (textKey(`${low} ${high}`) & 1) === 0 ? self.peer === low : self.peer === high;
}
