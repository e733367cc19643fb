import type { PeerId } from '../ports/network.ts';
import type { Role } from '../scheduler/fetch-events.ts';
import { pieceScore, textKey } from '../scheduler/rendezvous.ts';

export interface Neighbour {
  readonly peer: PeerId;
  readonly role: Role;
  /** Rack or availability zone; empty or absent when nobody said: then it counts as a zone of its own. */
  readonly zone?: string | undefined;
}

export interface NeighbourOptions {
  /** Even. Half as many rings are drawn. */
  readonly targetDegree: number;
  /** A node is connected to all of its zone while these are no more; in larger zones by rings of their own. */
  readonly maxZoneMates?: number | undefined;
}

/** How far a node looks along a ring for nodes of other zones. Bounds the degree of a small zone's nodes beside a large one. */
const RING_REACH = 3;
const NO_BOUND = Infinity;

/**
 * Whom a node should be connected to: every seeder, and among the nodes a near-regular random graph that all compute alike. Each of
 * targetDegree / 2 rings orders the nodes by another hash; neighbours are those next to one in any ring. Unions of random cycles are expanders
 * with high probability (Law and Siu, "Distributed construction of random expander networks", 2003), every node has the same degree, and one who
 * comes or goes moves two links a ring. A star, which is what bootstrap lists make, loses a third of all gossip (docs: PROTOCOL.md).
 *
 * Where nodes name several zones a node needs all of its own (a leader whom a zone mate does not see starves it) and enough of the others: in each
 * ring it looks past its zone mates, so that the rings give as many neighbours outside as they give without zones.
 */
export function neighboursOf(self: Neighbour, members: readonly Neighbour[], options: NeighbourOptions): PeerId[] {
  // A seeder is dialled by all; it needs nobody.
  if (self.role === 'seeder') return [];
  const { targetDegree, maxZoneMates = NO_BOUND } = options;
  const seeders = members.filter((member) => member.role === 'seeder').map((member) => member.peer);
  const nodes = members.filter((member) => member.role === 'node');
  if (nodes.length <= targetDegree) return [...seeders, ...nodes.map(({ peer }) => peer)];
  const zoneOf = hasZones(self, nodes) ? nameZone : (node: Neighbour) => node.peer;
  const ownZone = zoneOf(self);
  const mates = nodes.filter((node) => zoneOf(node) === ownZone);
  const chosen = new Set<PeerId>();
  const rings = targetDegree / 2;
  if (mates.length <= maxZoneMates) for (const { peer } of mates) chosen.add(peer);
  else forEachSide(self, mates, rings, 1, ([next]) => next && chosen.add(next.peer));
  forEachSide(self, nodes, rings, RING_REACH, (side) => {
    for (const node of reached(side, ownZone, zoneOf)) chosen.add(node.peer);
  });
  return [...seeders, ...chosen];
}

/** Whether zones tell nodes apart at all: at least two nodes are of different ones. */
export function hasZones(self: Neighbour, members: Iterable<Neighbour>): boolean {
  const zone = self.role === 'node' ? nameZone(self) : undefined;
  for (const node of members) if (node.role === 'node' && nameZone(node) !== zone) return true;
  return false;
}

/** Whether both are known to be of one zone. */
export function isSameZone(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && one !== '' && one === other;
}

/** Whether both are known to be of different zones: where nobody said, nothing is known. */
export function isOtherZone(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && one !== '' && other !== undefined && other !== '' && one !== other;
}

/** A name cannot be that of a peer: it begins with what no peer's name has. */
function nameZone(node: Neighbour): string {
  return node.zone === undefined || node.zone === '' ? node.peer : ` ${node.zone}`;
}

/**
 * Neighbours outside the zone on one side of a ring, of the next few there. Next to another zone: all of these until that zone ends; past zone
 * mates: the first who is none. The two cases mirror each other, so that of two nodes both or neither choose the other.
 */
function reached(side: readonly Neighbour[], ownZone: string, zoneOf: (node: Neighbour) => string): Neighbour[] {
  const [first] = side;
  if (!first) return [];
  const firstZone = zoneOf(first);
  if (firstZone === ownZone) {
    const outside = side.find((node) => zoneOf(node) !== ownZone);
    return outside ? [outside] : [];
  }
  const end = side.findIndex((node) => zoneOf(node) !== firstZone);
  return end === -1 ? [...side] : side.slice(0, end);
}

/** Calls back for both sides of each ring, with the `reach` nodes that come next there, the nearest first. One walk over the nodes for each ring. */
function forEachSide(
  self: Neighbour,
  nodes: readonly Neighbour[],
  rings: number,
  reach: number,
  use: (side: readonly Neighbour[]) => void,
): void {
  const keys = nodes.map(({ peer }) => textKey(peer));
  const ownKey = textKey(self.peer);
  for (let ring = 0; ring < rings; ring += 1) {
    const own = pieceScore(ownKey, ring);
    const [forward, backward] = [createNearest(reach), createNearest(reach)];
    for (const [index, node] of nodes.entries()) {
      const distance = (pieceScore(keys[index] ?? 0, ring) - own) >>> 0;
      forward.offer(node, distance);
      backward.offer(node, -distance >>> 0);
    }
    use(forward.nodes);
    use(backward.nodes);
  }
}

function createNearest(count: number): { nodes: Neighbour[]; offer(node: Neighbour, distance: number): void } {
  const nodes: Neighbour[] = [];
  const distances: number[] = [];
  return {
    nodes,
    offer(node, distance) {
      if (nodes.length === count && distance >= (distances[count - 1] ?? Infinity)) return;
      let at = nodes.length;
      while (at > 0 && distance < (distances[at - 1] ?? 0)) at -= 1;
      nodes.splice(at, 0, node);
      distances.splice(at, 0, distance);
      nodes.length = Math.min(nodes.length, count);
      distances.length = nodes.length;
    },
  };
}

/** Of two that should be connected one dials first, so that they do not both: the other waits a little. Each is first about half of the time. */
export function dialsFirst(self: Neighbour, other: Neighbour): boolean {
  if (other.role === 'seeder') return true;
  const [low, high] = self.peer < other.peer ? [self.peer, other.peer] : [other.peer, self.peer];
  return (textKey(`${low} ${high}`) & 1) === 0 ? self.peer === low : self.peer === high;
}
