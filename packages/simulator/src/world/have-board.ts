import type { PackId } from '@quarry/content';
import type { PackChange, PieceMasks } from '@quarry/swarm/scheduler';
import { fullMasks } from '@quarry/swarm/scheduler';
import { createLatestHaves } from './latest-haves.ts';
import type { SimNode } from './sim-node.ts';
import { peerOf } from './sim-node.ts';

/** How long a fetch waits for neighbours to say what they have. */
const LOOK_AROUND_MS = 200;

/** What a node tells its neighbours of what it has, and what they have told it. */
export interface HaveBoard {
  changed(pack: number, piece: number): void;
  /** Shows all of the pack from now on. */
  boast(pack: number): void;
  /** Asks neighbours what they have of these packs, and to be told from now on; `ready` runs when all have answered or it is late. */
  lookAround(packs: readonly number[], neighbours: Iterable<number>, ready: () => void): void;
  subscribe(listener: SimNode, packs: readonly number[]): ReadonlyMap<number, PieceMasks>;
  /** Who is told of a pack: they are fetching it. */
  listeners(pack: number): Iterable<SimNode>;
  /** What connected peers show of a pack, as last heard. */
  shown(pack: number): ReadonlyMap<number, PieceMasks>;
  /** `sequence`: of the sender, when it said this. */
  hear(from: number, haves: ReadonlyMap<number, PieceMasks>, sequence: number): void;
  /** What changed of what it showed before. */
  hearNews(from: number, news: readonly SimPackChange[], sequence: number): void;
  /** Grows with each message of news. */
  readonly sequence: number;
  forget(peer: number): void;
  die(): void;
}

/** A pack's change with its number in the storm. */
export interface SimPackChange extends PackChange {
  readonly index: number;
  readonly pieceCount: number;
}

export function createHaveBoard(node: SimNode): HaveBoard {
  const { world } = node;
  const listeners = new Map<number, Set<SimNode>>();
  const known = new Map<number, Map<number, PieceMasks>>();
  const dirty = new Map<number, Set<number>>();
  /** Messages overtake each other: what was said later counts, piece by piece. */
  const latest = world.storm.control.jitterMs > 0 ? createLatestHaves() : undefined;
  let sequence = 0;
  let timer: number | undefined;
  let timerAtMs = 0;

  const snapshot = (pack: number): PieceMasks => {
    const descriptor = world.packs.descriptors[pack];
    return node.sender.lie === 'falseHaves' && descriptor ? fullMasks(descriptor) : node.masksOf(pack).slice();
  };
  const flush = (): void => {
    timer = undefined;
    sequence += 1;
    const saidAt = sequence;
    const news: SimPackChange[] = [];
    const told = new Set<SimNode>();
    for (const [pack, pieces] of dirty) {
      const masks = node.sender.lie === 'falseHaves' ? snapshot(pack) : node.masksOf(pack);
      news.push({
        index: pack,
        pieceCount: masks.length,
        pack: packIdOf(pack),
        pieces: Array.from(pieces, (piece) => ({ piece, mask: masks[piece] ?? 0 })),
      });
      for (const listener of listeners.get(pack) ?? []) told.add(listener);
    }
    dirty.clear();
    world.counts.tells += told.size;
    world.wire.sendAll(
      node.endpoint,
      [...told].map((listener) => listener.endpoint),
      (to) => {
        const listener = world.nodes[to];
        if (!listener) return;
        for (const { index: pack } of news) {
          // It answers that it does not want these any more.
          if (listener.unshelver.wants(pack) || !listeners.get(pack)?.delete(listener)) continue;
          world.gossip.tellWanters(node, pack);
        }
        if (listener.connections.has(node.endpoint)) listener.board.hearNews(node.endpoint, news, saidAt);
      },
    );
  };
  const board: HaveBoard = {
    changed(pack, piece) {
      world.gossip.changed(node, pack);
      if ((listeners.get(pack)?.size ?? 0) === 0) return;
      const pieces = dirty.get(pack);
      if (pieces) pieces.add(piece);
      else dirty.set(pack, new Set([piece]));
      const atMs = world.queue.nowMs + node.pace.tellAfterMs(node.scheduler.holders(node.packId(pack), piece));
      if (timer !== undefined && timerAtMs <= atMs) return;
      if (timer !== undefined) world.queue.cancel(timer);
      timerAtMs = atMs;
      timer = world.queue.at(atMs, flush);
    },
    boast(pack) {
      const descriptor = world.packs.descriptors[pack];
      if (!descriptor) return;
      const haves = new Map([[pack, fullMasks(descriptor)]]);
      for (const listener of listeners.get(pack) ?? []) {
        const saidAt = sequence;
        world.wire.send(node.endpoint, listener.endpoint, () => listener.board.hear(node.endpoint, haves, saidAt));
      }
      world.gossip.changed(node, pack);
    },
    lookAround(packs, neighbours, ready) {
      let isReady = false;
      let waiting = 0;
      const done = (): void => {
        if (isReady) return;
        isReady = true;
        ready();
      };
      for (const neighbour of neighbours) {
        const other = world.nodes[neighbour];
        if (!other?.isAlive) continue;
        waiting += 1;
        const askedAtMs = world.queue.nowMs;
        world.wire.send(node.endpoint, neighbour, () => {
          const haves = other.board.subscribe(node, packs);
          const saidAt = other.board.sequence;
          world.wire.send(neighbour, node.endpoint, () => {
            node.pace.roundTrip(world.queue.nowMs - askedAtMs, world.queue.nowMs);
            if (node.connections.has(neighbour)) board.hear(neighbour, haves, saidAt);
            waiting -= 1;
            if (waiting === 0) done();
          });
        });
      }
      if (waiting === 0) done();
      else world.queue.at(world.queue.nowMs + LOOK_AROUND_MS, done);
    },
    subscribe(listener, packs) {
      const haves = new Map<number, PieceMasks>();
      for (const pack of packs) {
        const told = listeners.get(pack) ?? new Set();
        haves.set(pack, snapshot(pack));
        if (told.has(listener)) continue;
        listeners.set(pack, told.add(listener));
        world.gossip.tellWanters(node, pack);
      }
      return haves;
    },
    listeners: (pack) => listeners.get(pack) ?? [],
    shown: (pack) => known.get(pack) ?? new Map<number, PieceMasks>(),
    get sequence() {
      return sequence;
    },
    hear(from, haves, saidAt) {
      for (const [pack, said] of haves) {
        const masks = latest?.all(from, pack, said, saidAt) ?? said;
        let byPeer = known.get(pack);
        if (!byPeer) known.set(pack, (byPeer = new Map()));
        byPeer.set(from, masks);
        if (!node.unshelver.isFetching(pack)) continue;
        node.say({ kind: 'peerHas', peer: peerOf(from), pack: packIdOf(pack), masks });
      }
    },
    hearNews(from, news, saidAt) {
      let isNews = false;
      const heard = latest === undefined ? news : news.map((change) => latest.some(from, change, saidAt));
      for (const { index, pieces } of heard) {
        isNews ||= node.unshelver.isFetching(index);
        // The next fetch begins with this. What nobody wants is asked for when somebody does.
        if (latest === undefined && node.unshelver.wants(index)) {
          const masks = known.get(index)?.get(from);
          if (masks) for (const { piece, mask } of pieces) masks[piece] = mask;
        }
      }
      if (isNews) node.say({ kind: 'peerChanged', peer: peerOf(from), packs: heard });
    },
    forget(peer) {
      for (const byPeer of known.values()) byPeer.delete(peer);
      latest?.forget(peer);
      const other = world.nodes[peer];
      if (other) for (const told of listeners.values()) told.delete(other);
    },
    die() {
      if (timer !== undefined) world.queue.cancel(timer);
      listeners.clear();
      known.clear();
    },
  };
  const packIdOf = (pack: number): PackId => node.packId(pack);
  return board;
}
