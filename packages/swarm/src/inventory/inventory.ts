import type { PackDescriptor, PackId, PackStore } from '@quarry/content';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { GossipVerdict, Network, PeerId } from '../ports/network.ts';
import { decodeGetHaves, decodeHavesAnswer, encodeGetHaves, encodeHavesAnswer } from '../protocol/get-haves.ts';
import { decodeHavesMessage } from '../protocol/haves-message.ts';
import type { HavesMessage } from '../protocol/haves-message.ts';
import { changedPieces, emptyPieceSet, isEmptyPieceSet, masksFrom, pieceSetOf } from '../protocol/piece-set.ts';
import type { PieceSet } from '../protocol/piece-set.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols, topics } from '../protocol/protocol-names.ts';
import type { PieceMask, Role } from '../scheduler/fetch-events.ts';
import type { LinkPace } from '../scheduler/link-pace.ts';
import { masksOf, shapeFor } from '../scheduler/piece-masks.ts';
import type { PieceMasks } from '../scheduler/piece-masks.ts';
import { SwarmError } from '../swarm-error.ts';
import type { TransferObserver } from '../transfer/transfer-events.ts';
import { createAnnouncer } from './announcer.ts';
import { createHaveTable } from './have-table.ts';
import type { HaveNews } from './have-table.ts';
import { createTeller } from './teller.ts';

export interface InventoryOptions {
  readonly role: Role;
  readonly minAnnounceMs: number;
  readonly gossipMs: number;
  readonly announceMsPerMember: number;
  readonly inventoryIntervalMs: number;
  readonly maxPacksPerPeer: number;
  readonly lookAroundMs: number;
}

export interface InventoryDeps {
  readonly network: Network;
  readonly store: PackStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly members: () => number;
  readonly pace: LinkPace;
  /** How many connected peers show the piece; Infinity where it does not matter. */
  readonly holders: (pack: PackId, piece: number) => number;
  /** Whether a fetch of this node wants the pack now. */
  readonly isWanted: (pack: PackId) => boolean;
  readonly ban: (peer: PeerId, reason: string) => void;
  /** What somebody says of these packs has changed. */
  readonly onHaves: (peer: PeerId, news: readonly HaveNews[]) => void;
  /** Somebody wants other packs than before; with `pack`: it alone is meant. */
  readonly onWants: (pack?: PackId) => void;
  readonly observe?: TransferObserver | undefined;
}

/** Who has which packs: tells the cluster what this node has, and keeps what the others tell. */
export interface Inventory {
  start(): void;
  stop(): void;
  setWants(packs: Iterable<PackId>): void;
  /** Asks connected nodes what they have of these packs. Resolves when all have answered, or have had `lookAroundMs`. */
  ask(packs: readonly PackId[], peers: readonly PeerId[], signal?: AbortSignal): Promise<void>;
  /** What a peer shows of a pack; undefined if it has said nothing. */
  shown(peer: PeerId, descriptor: PackDescriptor): PieceMasks | undefined;
  /** In which pieces that differs from what it showed before. */
  changed(peer: PeerId, descriptor: PackDescriptor, before: PieceSet): PieceMask[];
  /** Whole pieces that the given members show, taken together. */
  shownBy(descriptor: PackDescriptor, counts: (peer: PeerId) => boolean): PieceMasks;
  holders(pack: PackId): PeerId[];
  /** Members that have said in gossip that they fetch it. */
  wanters(pack: PackId): PeerId[];
  /** The same and connected nodes that have asked for it: these are known at once, the others after a while. */
  seekers(pack: PackId): ReadonlySet<PeerId>;
  /** The connection to a peer is gone: it is told nothing more. */
  disconnected(peer: PeerId): void;
  drop(peer: PeerId): void;
  readonly size: number;
}

export function createInventory(deps: InventoryDeps, options: InventoryOptions): Inventory {
  const { network, store, clock, random, logger, observe } = deps;
  const table = createHaveTable({ maxPacksPerPeer: options.maxPacksPerPeer });
  /** Packs that nobody may have from here: not a word of them, not even that they are gone. */
  const closed = new Set<PackId>();
  const isClosed = (pack: PackId): boolean => {
    if (store.access(pack)?.kind === 'closed') closed.add(pack);
    return closed.has(pack);
  };
  const read = (pack: PackId): PieceSet => {
    const present = isClosed(pack) ? undefined : store.present(pack);
    return present ? pieceSetOf(masksOf(present), shapeFor(present.chunkCount)) : emptyPieceSet;
  };
  const announcer = createAnnouncer({ read }, { firstSequence: Math.floor(clock.wallMs()) * 1000 });
  const stopping = new AbortController();
  const stops: (() => void)[] = [];
  const teller = createTeller(
    {
      network,
      clock,
      read,
      nextSequence: () => announcer.nextSequence(),
      onListeners: (pack) => deps.onWants(pack),
      onTold: observe && ((pack) => observe({ kind: 'told', pack, atMs: clock.now() })),
    },
    options,
  );
  let cancelGossip: (() => void) | undefined;
  let cancelWants: (() => void) | undefined;

  const publish = (messages: readonly Uint8Array[]): void => {
    for (const message of messages) {
      network.publish(topics.haves, message).catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.debug('cannot announce what this node has', { error: String(error) });
      });
    }
  };
  /** The whole cluster hears of changes after a while: the more members, the longer, so that nobody drowns in messages. */
  const gossipSoon = (): void => {
    // A seeder's link carries pieces. Nobody asks it for one by name, so nobody need know what it has.
    if (cancelGossip || options.role === 'seeder' || stopping.signal.aborted) return;
    const afterMs = Math.max(options.gossipMs, deps.members() * options.announceMsPerMember);
    cancelGossip = clock.after(afterMs, () => {
      cancelGossip = undefined;
      publish(announcer.takeChanges());
    });
  };
  const changed = (pack: PackId, piece: number): void => {
    if (isClosed(pack)) return;
    teller.changed(pack, deps.pace.tellAfterMs(deps.holders(pack, piece)));
    announcer.changed(pack);
    gossipSoon();
  };
  const publishAll = (): void => {
    const packs: PackId[] = [];
    for (const { pack, present } of store.inventory())
      if (present.bits.some((byte) => byte !== 0) && !isClosed(pack)) packs.push(pack);
    publish(announcer.takeAll(packs));
  };

  const hear = (peer: PeerId, message: HavesMessage): void => {
    const news = table.hear(peer, message, clock.now());
    if (news.length > 0) deps.onHaves(peer, news);
    if (message.wants) deps.onWants();
  };
  const validate = (bytes: Uint8Array): GossipVerdict => {
    try {
      decodeHavesMessage(bytes);
      return 'accept';
    } catch {
      return 'reject';
    }
  };

  const askOne = async (peer: PeerId, packs: readonly PackId[], signal: AbortSignal): Promise<void> => {
    for (let from = 0; from < packs.length; from += protocolLimits.maxGetHavesPacks) {
      const asked = packs.slice(from, from + protocolLimits.maxGetHavesPacks);
      const askedAtMs = clock.now();
      const bytes = await network.request(peer, protocols.haves, encodeGetHaves(asked), {
        signal,
        maxBytes: protocolLimits.maxHavesBytes,
      });
      deps.pace.roundTrip(clock.now() - askedAtMs, clock.now());
      try {
        const answer = decodeHavesAnswer(bytes);
        const named = new Map(answer.packs.map((have) => [have.pack, have]));
        // Of what it does not name it has nothing: also that is news, if it had.
        const all = asked.map((pack) => named.get(pack) ?? { pack, set: emptyPieceSet });
        hear(peer, { sequence: answer.sequence, packs: all, wants: undefined });
      } catch (error) {
        if (error instanceof SwarmError && error.code === 'SWARM_BAD_MESSAGE') deps.ban(peer, error.message);
        throw error;
      }
    }
  };

  return {
    start() {
      for (const { pack } of store.inventory()) isClosed(pack);
      stops.push(
        network.handle(
          protocols.haves,
          { maxRequestBytes: protocolLimits.maxGetHavesPacks * 32 + 8 },
          async ({ peer, bytes }) => {
            const asked = decodeGetHaves(bytes);
            if (options.role === 'node') teller.subscribe(peer, asked);
            const packs = asked.map((pack) => ({ pack, set: read(pack) }));
            return encodeHavesAnswer({
              sequence: announcer.sequence,
              packs: packs.filter(({ set }) => !isEmptyPieceSet(set)),
            });
          },
        ),
        network.handle(
          protocols.tellHaves,
          { maxRequestBytes: protocolLimits.maxHavesBytes },
          async ({ peer, bytes }) => {
            const message = decodeHavesMessage(bytes);
            hear(peer, { ...message, wants: undefined });
            return encodeGetHaves(message.packs.map(({ pack }) => pack).filter((pack) => !deps.isWanted(pack)));
          },
        ),
        store.onPresent(changed),
        store.onAbsent((pack) => changed(pack, 0)),
      );
      if (options.role === 'seeder') return;
      stops.push(
        network.subscribe(topics.haves, {
          validate: ({ bytes }) => validate(bytes),
          onMessage: ({ author, bytes }) => hear(author, decodeHavesMessage(bytes)),
        }),
      );
      let cancel = (): void => {};
      stops.push(() => cancel());
      const tellAll = (): void => {
        publishAll();
        for (const { peer, pack } of table.expire(clock.now(), 3 * options.inventoryIntervalMs)) {
          deps.onHaves(peer, [{ pack, before: undefined }]);
        }
        cancel = clock.after(options.inventoryIntervalMs * (0.9 + 0.2 * random.next()), tellAll);
      };
      // The first time a little later: on joining nobody is connected yet.
      cancel = clock.after(options.minAnnounceMs + random.next() * 1000, tellAll);
    },
    stop() {
      stopping.abort(new SwarmError('SWARM_CLOSED', 'the swarm is closing'));
      cancelGossip?.();
      cancelWants?.();
      teller.stop();
      for (const stop of stops.splice(0)) stop();
    },
    setWants(packs) {
      announcer.setWants([...packs].filter((pack) => !isClosed(pack)));
      if (!announcer.hasNewWants || cancelWants || stopping.signal.aborted) return;
      const afterMs = Math.max(options.minAnnounceMs, deps.members() * options.announceMsPerMember);
      cancelWants = clock.after(afterMs, () => {
        cancelWants = undefined;
        publish(announcer.takeWants());
      });
    },
    async ask(packs, peers, signal) {
      if (packs.length === 0 || peers.length === 0) return;
      const late = new AbortController();
      const cancel = clock.after(options.lookAroundMs, () => late.abort(new Error('late')));
      const ending = AbortSignal.any([stopping.signal, ...(signal ? [signal] : [])]);
      const answers = Promise.allSettled(peers.map((peer) => askOne(peer, packs, ending)));
      // Who is late is still listened to, but not waited for.
      await Promise.race([answers, new Promise((resolve) => late.signal.addEventListener('abort', resolve))]);
      cancel();
      signal?.throwIfAborted();
    },
    shown(peer, descriptor) {
      const set = table.find(peer, descriptor.id);
      return set && masksFrom(set, descriptor);
    },
    changed: (peer, descriptor, before) =>
      changedPieces(before, table.find(peer, descriptor.id) ?? emptyPieceSet, descriptor),
    shownBy(descriptor, counts) {
      const whole = new Uint8Array(32);
      for (const [peer, set] of table.holders(descriptor.id)) {
        if (!counts(peer)) continue;
        for (const [i, byte] of set.whole.entries()) whole[i] = (whole[i] ?? 0) | byte;
      }
      return masksFrom({ whole, partial: [] }, descriptor);
    },
    holders: (pack) => [...table.holders(pack)].map(([peer]) => peer),
    wanters: (pack) => table.wanters(pack),
    seekers: (pack) => new Set([...table.wanters(pack), ...teller.listeners(pack)]),
    disconnected: (peer) => teller.drop(peer),
    drop(peer) {
      const packs = table.drop(peer);
      const news = packs.map((pack): HaveNews => ({ pack, before: undefined }));
      if (news.length > 0) deps.onHaves(peer, news);
    },
    get size() {
      return table.size;
    },
  };
}
