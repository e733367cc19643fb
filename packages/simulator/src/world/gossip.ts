import type { PackId } from '@quarry/content';
import { shuffled } from '@quarry/runtime';
import { emptyMasks, fullMask } from '@quarry/swarm/scheduler';
import type { PeerId, PieceMasks } from '@quarry/swarm/scheduler';
import { peerOf } from './sim-node.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** The daemon's figures: what changed is told the cluster so long after, and not sooner than this for each member. */
const GOSSIP_MS = 2000;
const MIN_WANTS_MS = 100;
const MS_PER_MEMBER = 2;
/** Hops from neighbour to neighbour until all have heard. */
const GOSSIP_HOPS = 3;
/** What came in by gossip is told the scheduler at most so often. */
const ROUND_MS = 100;
/** Dialling and the handshakes. */
const DIAL_HOPS = 6;

/** How long news of who wants what wait to be told, as in the daemon. */
export function wantsNewsMs(members: number): number {
  return Math.max(MIN_WANTS_MS, MS_PER_MEMBER * members);
}

/** What the cluster hears of all its members: who has which whole pieces, and who wants what. One table for all: who hears it late hears it next time. */
export interface Gossip {
  changed(node: SimNode, pack: number): void;
  wantsChanged(node: SimNode): void;
  /** Whole pieces that members show to which the node is not connected. */
  elsewhere(node: SimNode, pack: number): PieceMasks;
  wanters(node: SimNode, pack: number): readonly PeerId[];
  /** Hosts of its zone that fetch the pack, as gossip and those that it tells of the pack say. */
  nearWanters(node: SimNode, pack: number): readonly PeerId[];
  tellWanters(node: SimNode, pack: number): void;
  /** Connects to a member that shows the piece. */
  seek(node: SimNode, pack: PackId, piece: number): void;
  /** Says at once what everybody has known for long: what hosts hold before the storm. */
  publishAll(): void;
  gone(node: SimNode): void;
}

export function createGossip(world: () => World): Gossip {
  const shown = new Map<number, Map<number, PieceMasks>>();
  const wanters = new Map<number, Set<number>>();
  const dirty = new Map<SimNode, Set<number>>();
  const newHaves = new Set<number>();
  const newWants = new Set<number>();
  /** How many show each piece of a pack: what all but a few show is had by subtracting those few. */
  const showing = new Map<number, Uint16Array>();
  const unreachableUntil = new Map<SimNode, Map<number, number>>();
  const wantTimers = new Set<SimNode>();
  let hasRound = false;

  const spreadMs = (): number => GOSSIP_HOPS * world().storm.control.hopMs;
  const publish = (node: SimNode, packs: Iterable<number>): void => {
    if (!node.isAlive) return;
    for (const pack of packs) {
      const descriptor = world().packs.descriptors[pack];
      if (!descriptor) continue;
      const isLiar = node.sender.lie === 'falseHaves';
      const whole = node
        .masksOf(pack)
        .map((mask, piece) => (isLiar || mask === fullMask(descriptor, piece) ? fullMask(descriptor, piece) : 0));
      let byNode = shown.get(pack);
      if (!byNode) shown.set(pack, (byNode = new Map()));
      count(pack, byNode.get(node.endpoint), -1);
      count(pack, whole, 1);
      byNode.set(node.endpoint, whole);
      newHaves.add(pack);
    }
    roundSoon();
  };
  const count = (pack: number, whole: PieceMasks | undefined, step: 1 | -1): void => {
    if (!whole) return;
    const counts = showing.get(pack) ?? new Uint16Array(whole.length);
    showing.set(pack, counts);
    for (let piece = 0; piece < whole.length; piece += 1) {
      if (whole[piece] !== 0) counts[piece] = (counts[piece] ?? 0) + step;
    }
  };
  const roundSoon = (): void => {
    if (hasRound) return;
    hasRound = true;
    const { queue } = world();
    queue.at(queue.nowMs + ROUND_MS, round);
  };
  /** Tells who is fetching what is new. A message that is lost is made good by the next round. */
  const round = (): void => {
    hasRound = false;
    const { nodes, storm, random, wire } = world();
    const haves = [...newHaves];
    const wants = [...newWants];
    newHaves.clear();
    newWants.clear();
    for (const node of nodes) {
      if (!node.isAlive || wire.isStalled(node.endpoint)) continue;
      for (const pack of haves) {
        if (!node.unshelver.isFetching(pack)) continue;
        if (random.next() < storm.control.gossipLoss) {
          newHaves.add(pack);
          continue;
        }
        node.say({ kind: 'elsewhere', pack: node.packId(pack), masks: elsewhere(node, pack) });
      }
      for (const pack of wants) {
        if (!node.unshelver.isFetching(pack)) continue;
        if (random.next() < storm.control.gossipLoss) newWants.add(pack);
        else tellWanters(node, pack);
      }
    }
    if (newHaves.size + newWants.size > 0) roundSoon();
  };
  const isReachable = (node: SimNode, other: number): boolean =>
    (unreachableUntil.get(node)?.get(other) ?? 0) <= node.nowMs;
  const elsewhere = (node: SimNode, pack: number): PieceMasks => {
    const descriptor = world().packs.descriptors[pack];
    const counts = showing.get(pack)?.slice();
    const byNode = shown.get(pack);
    if (!descriptor || !counts || !byNode) return emptyMasks(descriptor?.pieceCount ?? 0);
    const unreachable = [...(unreachableUntil.get(node)?.keys() ?? [])].filter((other) => !isReachable(node, other));
    for (const other of new Set([node.endpoint, ...node.connections, ...node.banned, ...unreachable])) {
      const whole = byNode.get(other);
      if (!whole) continue;
      for (let piece = 0; piece < counts.length; piece += 1) {
        if (whole[piece] !== 0) counts[piece] = (counts[piece] ?? 0) - 1;
      }
    }
    return counts.map((members, piece) => (members > 0 ? fullMask(descriptor, piece) : 0));
  };
  const wantersOf = (node: SimNode, pack: number): readonly PeerId[] =>
    [...(wanters.get(pack) ?? [])].filter((other) => other !== node.endpoint).map(peerOf);
  const nearWanters = (node: SimNode, pack: number): readonly PeerId[] => {
    if (world().storm.zones.length < 2) return [];
    const listeners = [...node.board.listeners(pack)].map(({ endpoint }) => endpoint);
    return [...new Set([...(wanters.get(pack) ?? []), ...listeners])]
      .filter((other) => node.isNear(other) && node.connections.has(other))
      .map(peerOf);
  };
  const tellWanters = (node: SimNode, pack: number): void => {
    if (!node.unshelver.isFetching(pack)) return;
    const [members, near] = [wantersOf(node, pack), nearWanters(node, pack)];
    node.say({ kind: 'wanters', pack: node.packId(pack), members, near });
  };

  return {
    nearWanters,
    tellWanters,
    changed(node, pack) {
      const known = dirty.get(node);
      if (known) {
        known.add(pack);
        return;
      }
      dirty.set(node, new Set([pack]));
      const { queue } = world();
      queue.at(queue.nowMs + Math.max(GOSSIP_MS, MS_PER_MEMBER * world().nodes.length) + spreadMs(), () => {
        const packs = dirty.get(node) ?? [];
        dirty.delete(node);
        publish(node, packs);
      });
    },
    wantsChanged(node) {
      if (wantTimers.has(node)) return;
      wantTimers.add(node);
      const { queue } = world();
      queue.at(queue.nowMs + wantsNewsMs(world().nodes.length) + spreadMs(), () => {
        wantTimers.delete(node);
        const wanted = new Set(node.isAlive ? node.unshelver.wantedPacks() : []);
        for (const [pack, nodes] of wanters) {
          if (!wanted.has(pack) && nodes.delete(node.endpoint)) newWants.add(pack);
        }
        for (const pack of wanted) {
          const nodes = wanters.get(pack) ?? new Set();
          wanters.set(pack, nodes);
          if (nodes.has(node.endpoint)) continue;
          nodes.add(node.endpoint);
          newWants.add(pack);
        }
        roundSoon();
      });
    },
    elsewhere,
    wanters: wantersOf,
    seek(node, packId, piece) {
      const { packs, random, queue, nodes, wire, storm } = world();
      const pack = packs.indexOf(packId);
      const holders = [...(shown.get(pack) ?? [])].flatMap(([other, whole]) => {
        const isCandidate = other !== node.endpoint && !node.connections.has(other) && !node.banned.has(other);
        return isCandidate && (whole[piece] ?? 0) !== 0 && isReachable(node, other) ? [other] : [];
      });
      const [other] = shuffled(holders, random);
      if (other === undefined) {
        queue.at(queue.nowMs, () => node.say({ kind: 'elsewhere', pack: packId, masks: elsewhere(node, pack) }));
        return;
      }
      world().counts.seeks += 1;
      queue.at(queue.nowMs + DIAL_HOPS * storm.control.hopMs, () => {
        const holder = nodes[other];
        if (!node.isAlive) return;
        if (!holder?.isAlive || wire.isHeldUp(node.endpoint, other) || holder.banned.has(node.endpoint)) {
          const until = unreachableUntil.get(node) ?? new Map<number, number>();
          unreachableUntil.set(node, until.set(other, queue.nowMs + 60_000));
          node.say({ kind: 'elsewhere', pack: packId, masks: elsewhere(node, pack) });
          return;
        }
        connect(node, holder);
      });
    },
    publishAll() {
      for (const node of world().nodes) publish(node, node.have.keys());
    },
    gone(node) {
      for (const [pack, byNode] of shown) {
        count(pack, byNode.get(node.endpoint), -1);
        byNode.delete(node.endpoint);
      }
      for (const nodes of wanters.values()) nodes.delete(node.endpoint);
      for (const pack of shown.keys()) newHaves.add(pack);
      for (const pack of wanters.keys()) newWants.add(pack);
      roundSoon();
    },
  };
}

/** Two nodes meet: each asks the other for what it wants. */
export function connect(a: SimNode, b: SimNode): void {
  if (a.banned.has(b.endpoint) || b.banned.has(a.endpoint)) return;
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.meet(other.endpoint, 'node');
    const wanted = [...one.unshelver.wantedPacks()];
    if (wanted.length > 0) one.board.lookAround(wanted, [other.endpoint], () => {});
  }
}
