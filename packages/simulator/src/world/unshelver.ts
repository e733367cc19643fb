import type { AskEntry, FetchAction, FetchWant, PieceMasks } from '@quarry/swarm/scheduler';
import { emptyMasks, isEmptyMasks } from '@quarry/swarm/scheduler';
import type { TraceFacts } from '../trace.ts';
import { masksOfRuns } from './sim-packs.ts';
import { peerOf } from './sim-node.ts';
import type { SimNode } from './sim-node.ts';

/** A fetch to which nothing comes for so long fails: the daemon's default. */
const GIVE_UP_MS = 60_000;

/** The unshelves of one host: each is a fetch of what its image needs and the disk does not hold. */
export interface Unshelver {
  begin(unshelve: number): void;
  /** The host dies; what it waited for is kept for `beginAgain`. */
  die(): void;
  /** The daemon has come back and met the others: whoever waits for an image asks again. */
  beginAgain(): void;
  ended(action: Extract<FetchAction, { readonly kind: 'done' | 'noSource' }>): void;
  /** Whether a fetch that has begun, or is about to, wants the pack. */
  wants(pack: number): boolean;
  isFetching(pack: number): boolean;
  wantedPacks(): Iterable<number>;
  /** What its unshelves still need, from their first moment on. */
  needs(): readonly AskEntry[];
}

interface Running {
  readonly unshelve: number;
  readonly needs: ReadonlyMap<number, PieceMasks>;
  fetch: number | undefined;
  readonly span: number | undefined;
}

export function createUnshelver(node: SimNode): Unshelver {
  const { world } = node;
  const running = new Map<number, Running>();
  const uses = new Map<number, number>();
  const fetching = new Map<number, number>();
  let lastFetch = 0;
  /** Of the process before, or come before this one had met the others. */
  let unfinished: number[] = [];

  const count = (map: Map<number, number>, pack: number, step: 1 | -1): void => {
    const next = (map.get(pack) ?? 0) + step;
    if (next === 0) map.delete(pack);
    else map.set(pack, next);
  };
  const start = (one: Running): void => {
    if (!node.isAlive || running.get(one.unshelve) !== one) return;
    lastFetch += 1;
    one.fetch = lastFetch;
    const wants: FetchWant[] = [];
    for (const [pack, wanted] of one.needs) {
      const descriptor = world.packs.descriptors[pack];
      if (!descriptor) continue;
      count(fetching, pack, 1);
      const have = node.masksOf(pack).slice();
      const need = wanted.map((mask, piece) => mask & ~(have[piece] ?? 0));
      wants.push({
        descriptor,
        need,
        have,
        cover: world.storm.origin.isReadable ? wanted : undefined,
        known: {
          shown: [...node.board.shown(pack)].flatMap(([peer, masks]) =>
            node.connections.has(peer) ? [{ peer: peerOf(peer), masks }] : [],
          ),
          elsewhere: world.gossip.elsewhere(node, pack),
          wanters: world.gossip.wanters(node, pack),
          nearWanters: world.gossip.nearWanters(node, pack),
        },
      });
    }
    node.say({ kind: 'fetch', fetch: one.fetch, wants, giveUpMs: GIVE_UP_MS });
  };
  const begin = (unshelve: number): void => {
    if (!node.isJoined) {
      unfinished.push(unshelve);
      return;
    }
    const { image } = world.storm.unshelves[unshelve] as { image: number };
    const needs = masksOfRuns(world.storm, world.storm.images[image]?.runs ?? []);
    const name = world.storm.images[image]?.name ?? '';
    const span = world.trace?.begin(node.nowMs, node.endpoint, 'unshelve', name, { unshelve });
    const one: Running = { unshelve, needs, fetch: undefined, span };
    running.set(unshelve, one);
    let missing = 0;
    for (const [pack, masks] of needs) {
      count(uses, pack, 1);
      const have = node.have.get(pack) ?? emptyMasks(masks.length);
      if (!isEmptyMasks(masks.map((mask, piece) => mask & ~(have[piece] ?? 0)))) missing += 1;
    }
    world.counts.unshelveBegan(unshelve, node, needs);
    if (missing > 0) world.gossip.wantsChanged(node);
    node.board.lookAround([...needs.keys()], node.connections, () => start(one));
  };

  const endSpan = ({ span }: Running, facts: TraceFacts): void => {
    if (span !== undefined) world.trace?.end(node.nowMs, span, facts);
  };

  return {
    begin,
    die() {
      for (const one of running.values()) endSpan(one, { isKilled: true });
      unfinished.push(...running.keys());
      running.clear();
      uses.clear();
      fetching.clear();
    },
    beginAgain() {
      const waiting = unfinished;
      unfinished = [];
      for (const unshelve of waiting) begin(unshelve);
    },
    ended(action) {
      for (const [unshelve, one] of running) {
        if (one.fetch !== action.fetch) continue;
        running.delete(unshelve);
        for (const pack of one.needs.keys()) {
          count(uses, pack, -1);
          count(fetching, pack, -1);
        }
        const why =
          action.kind === 'done' ? undefined : `nobody gave ${action.missingChunks} chunks for ${GIVE_UP_MS} ms`;
        world.counts.unshelveEnded(unshelve, node, one.needs, why);
        const error = world.counts.unshelves[unshelve]?.why;
        world.invariants.ended(node.nowMs, unshelve, error);
        endSpan(one, error === undefined ? {} : { error });
        world.gossip.wantsChanged(node);
      }
    },
    wants: (pack) => uses.has(pack),
    isFetching: (pack) => fetching.has(pack),
    wantedPacks: () => uses.keys(),
    needs() {
      const needed = new Map<number, AskEntry>();
      for (const { needs } of running.values()) {
        for (const [pack, wanted] of needs) {
          const have = node.masksOf(pack);
          const known = needed.get(pack)?.need;
          const need = wanted.map((mask, piece) => (mask & ~(have[piece] ?? 0)) | (known?.[piece] ?? 0));
          if (!isEmptyMasks(need)) needed.set(pack, { pack: node.packId(pack), need, have });
        }
      }
      return [...needed.values()];
    },
  };
}
