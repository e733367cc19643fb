import type { PackDescriptor, PackId } from '@quarry/content';
import { shuffled } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { HaveNews } from '../inventory/have-table.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Membership } from '../membership/membership.ts';
import { isSameZone } from '../membership/neighbours.ts';
import type { SwarmOptions } from '../options.ts';
import type { PeerId } from '../ports/network.ts';
import type { KnownOfPack, PackChange, Role } from '../scheduler/fetch-events.ts';
import type { Fetcher } from './fetcher.ts';

export interface PeerNewsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly membership: Membership;
  readonly inventory: () => Inventory;
  readonly fetcher: () => Fetcher;
  readonly isBanned: (peer: PeerId) => boolean;
  readonly startedAtMs: () => number | undefined;
  /** Aborts when the swarm closes. */
  readonly signal: AbortSignal;
}

/** What the scheduler is told of the others: who is there and near, what they show, who wants what. From membership and inventory to the fetcher. */
export interface PeerNews {
  ready(peer: PeerId, role: Role): void;
  lost(peer: PeerId): void;
  /** Members came, went, or say something else of themselves. */
  membersChanged(): void;
  /** What a peer says of these packs has changed. */
  haves(peer: PeerId, news: readonly HaveNews[]): void;
  wanters(pack: PackId): void;
  knownOf(descriptor: PackDescriptor): KnownOfPack;
  /** Connects to a member that shows the piece. */
  seek(pack: PackId, piece: number): void;
  /** Now and then: who could not be reached may be tried again, and a node that has become settled says so. */
  refresh(): void;
  stop(): void;
  /** Connected peers that are no seeders. */
  nodes(): PeerId[];
}

type Options = Pick<SwarmOptions, 'zone' | 'minAnnounceMs' | 'announceMsPerMember' | 'memberTtlMs' | 'unreachableMs'>;

export function createPeerNews(deps: PeerNewsDeps, options: Options): PeerNews {
  const { clock, random, logger, membership, inventory, fetcher } = deps;
  const unreachableUntilMs = new Map<PeerId, number>();
  const staleElsewhere = new Set<PackId>();
  let cancelElsewhere = (): void => {};
  let isZoned = false;
  let wasSettled = false;

  const nodes = (): PeerId[] => [...membership.ready()].filter(([, role]) => role === 'node').map(([peer]) => peer);
  /** Where all nodes are of one zone, zones say nothing. */
  const isNear = (peer: PeerId): boolean =>
    membership.isZoned && isSameZone(options.zone, membership.find(peer)?.record.zone);
  /** Zone mates that fetch the pack, but for those that were lost: they bring nothing into the zone. */
  const nearWanters = (pack: PackId): PeerId[] =>
    membership.isZoned
      ? [...inventory().seekers(pack)].filter((peer) => isNear(peer) && !unreachableUntilMs.has(peer))
      : [];
  /** A member that is not connected, could be, and is no seeder: what it shows can be had by dialling it. */
  const isElsewhere = (peer: PeerId): boolean =>
    !membership.ready().has(peer) &&
    !deps.isBanned(peer) &&
    membership.find(peer)?.record.role === 'node' &&
    (unreachableUntilMs.get(peer) ?? 0) <= clock.now();

  const tellHaves = (peer: PeerId, pack: PackId): void => {
    const descriptor = fetcher().wants(pack);
    if (!descriptor) return;
    if (membership.ready().get(peer) === 'node') {
      const masks = inventory().shown(peer, descriptor) ?? new Uint16Array(descriptor.pieceCount);
      fetcher().say({ kind: 'peerHas', peer, pack, masks });
    } else tellElsewhereSoon(pack);
  };
  const tellWanters = (pack: PackId): void => {
    if (!fetcher().wants(pack)) return;
    fetcher().say({ kind: 'wanters', pack, members: inventory().wanters(pack), near: nearWanters(pack) });
  };
  const tellElsewhere = (pack: PackId): void => {
    const descriptor = fetcher().wants(pack);
    if (descriptor) fetcher().say({ kind: 'elsewhere', pack, masks: inventory().shownBy(descriptor, isElsewhere) });
  };
  /** It walks all holders of the pack, and they speak often. */
  const tellElsewhereSoon = (pack: PackId): void => {
    if (staleElsewhere.size === 0) {
      cancelElsewhere = clock.after(options.minAnnounceMs, () => {
        const packs = [...staleElsewhere];
        staleElsewhere.clear();
        for (const stale of packs) tellElsewhere(stale);
      });
    }
    staleElsewhere.add(pack);
  };
  const tellMembers = (): void => {
    const members = [...membership.all()].flatMap(({ record }) => (record.role === 'node' ? [record.peer] : []));
    const newsMs = Math.max(options.minAnnounceMs, (members.length + 1) * options.announceMsPerMember);
    wasSettled = clock.now() - (deps.startedAtMs() ?? Infinity) >= options.memberTtlMs;
    fetcher().say({ kind: 'members', members, newsMs, isSettled: wasSettled });
  };
  const tellSeeders = (): void => {
    let count = 0;
    for (const { record } of membership.all()) if (record.role === 'seeder') count += 1;
    fetcher().say({ kind: 'seeders', count });
  };
  /** The first member of a second zone makes zone mates of those who are here, and the last one that goes strangers. */
  const tellZones = (): void => {
    if (isZoned === membership.isZoned) return;
    isZoned = membership.isZoned;
    for (const [peer, role] of membership.ready()) {
      fetcher().say({ kind: 'peerJoined', peer, role, isNear: isNear(peer) });
    }
    for (const pack of fetcher().wanted()) tellWanters(pack);
  };

  return {
    nodes,
    ready(peer, role) {
      unreachableUntilMs.delete(peer);
      fetcher().say({ kind: 'peerJoined', peer, role, isNear: isNear(peer) });
      tellSeeders();
      if (role === 'seeder') return;
      for (const pack of fetcher().wanted()) {
        tellHaves(peer, pack);
        tellElsewhereSoon(pack);
      }
    },
    lost(peer) {
      // It may be alive, but nobody should wait for what it shows until it has been seen again. Others are hung up on when they are one too many.
      if (membership.isNeighbour(peer)) unreachableUntilMs.set(peer, clock.now() + options.unreachableMs);
      fetcher().say({ kind: 'peerLeft', peer });
    },
    membersChanged() {
      tellMembers();
      tellSeeders();
      tellZones();
    },
    haves(peer, news) {
      const changes: PackChange[] = [];
      for (const { pack, before } of news) {
        const descriptor = fetcher().wants(pack);
        if (!descriptor) continue;
        const isDelta = before && membership.ready().get(peer) === 'node';
        if (isDelta) changes.push({ pack, pieces: inventory().changed(peer, descriptor, before) });
        else tellHaves(peer, pack);
      }
      if (changes.length > 0) fetcher().say({ kind: 'peerChanged', peer, packs: changes });
    },
    wanters: tellWanters,
    knownOf: (descriptor) => ({
      shown: nodes().flatMap((peer) => {
        const masks = inventory().shown(peer, descriptor);
        return masks ? [{ peer, masks }] : [];
      }),
      elsewhere: inventory().shownBy(descriptor, isElsewhere),
      wanters: inventory().wanters(descriptor.id),
      nearWanters: nearWanters(descriptor.id),
    }),
    seek(pack, piece) {
      const descriptor = fetcher().wants(pack);
      const shows = inventory()
        .holders(pack)
        .filter((peer) => isElsewhere(peer) && descriptor && (inventory().shown(peer, descriptor)?.[piece] ?? 0) !== 0);
      const [peer] = shuffled(shows, random);
      if (peer === undefined) return tellElsewhere(pack);
      membership.connect(peer, { signal: deps.signal }).catch((error: unknown) => {
        logger.debug('cannot reach a holder', { peer, pack, error: String(error) });
        unreachableUntilMs.set(peer, clock.now() + options.unreachableMs);
        if (!deps.signal.aborted) for (const wanted of fetcher().wanted()) tellElsewhereSoon(wanted);
      });
    },
    refresh() {
      for (const [peer, untilMs] of unreachableUntilMs) if (untilMs <= clock.now()) unreachableUntilMs.delete(peer);
      if (!wasSettled) tellMembers();
    },
    stop: () => cancelElsewhere(),
  };
}
