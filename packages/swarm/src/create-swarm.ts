import { decodeManifest, decodePackDescriptor, idBytes, limits, publicDomain, makePackProof } from '@quarry/content';
import type {
  ImageCatalog,
  ImageKey,
  ImageRecord,
  Manifest,
  ManifestId,
  PackDescriptor,
  PackId,
  PackStore,
} from '@quarry/content';
import type { Signer, Swarm } from '@quarry/content';
import { createBufferBank, createRateLimit, createSingleFlight, shuffled } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import { budgetDefaults } from './budget/budget-events.ts';
import { createPrivateImages } from './images/private-images.ts';
import { createInventory } from './inventory/inventory.ts';
import { createMembership } from './membership/membership.ts';
import { isOtherZone } from './membership/neighbours.ts';
import { swarmOptions } from './options.ts';
import type { ChosenSwarmOptions } from './options.ts';
import type { Network, PeerId } from './ports/network.ts';
import type { HoldAnswer, HoldState } from './protocol/hold.ts';
import { protocols } from './protocol/protocol-names.ts';
import type { Role } from './scheduler/fetch-events.ts';
import { createLinkPace } from './scheduler/link-pace.ts';
import { createSeederLedger } from './scheduler/seeder-ledger.ts';
import { createSenderSlots } from './scheduler/sender-slots.ts';
import { SwarmError } from './swarm-error.ts';
import type { SwarmFigures, SwarmRates, SwarmStatus } from './swarm-status.ts';
import { createFetcher } from './transfer/fetcher.ts';
import { findBlob } from './transfer/find-blob.ts';
import { findRecords, listRecords } from './transfer/find-records.ts';
import type { LookupDeps } from './transfer/lookup.ts';
import { createOriginBudgetKeeper } from './transfer/origin-budget.ts';
import { createDrain } from './transfer/drain.ts';
import { createOriginReads } from './transfer/origin-reads.ts';
import type { OriginRead } from './transfer/origin-reads.ts';
import type { DrainOptions, LeaveStatus } from './transfer/drain.ts';
import { createCheckedPieces } from './transfer/checked-pieces.ts';
import { createPackGate } from './transfer/pack-gate.ts';
import { createReceiving } from './transfer/receiving.ts';
import { createDescriptorCache } from './transfer/read-for-sending.ts';
import { serveAsks } from './transfer/serve-asks.ts';
import type { AskServer } from './transfer/serve-asks.ts';
import { serveBlobs } from './transfer/serve-blobs.ts';
import { serveNeeds } from './transfer/serve-needs.ts';
import { servePieces } from './transfer/serve-pieces.ts';
import { serveRecords } from './transfer/serve-records.ts';
import { createPeerNews } from './transfer/peer-news.ts';
import { createTrafficCounts } from './transfer/traffic-counts.ts';
import { createUploadPacer } from './transfer/upload-pacer.ts';

export interface SwarmDeps {
  readonly network: Network;
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  /** This node's identity. Without it the node gives no tickets for private images. */
  readonly signer?: Signer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The port, and what the daemon needs besides. Before `start` and after `close` every call rejects with SWARM_CLOSED. */
export interface QuarrySwarm extends Swarm {
  /** Begins to speak and to serve. */
  start(): Promise<void>;
  /**
   * For a seeder that is to stop: resolves when it may leave, that is when what nodes still need is held by `leave.leaveHolders` of them, or
   * after `timeoutMs`, saying what would be in danger. It serves on meanwhile, also after it has resolved: `close` follows soon. Of a node it
   * resolves at once: pieces of which it holds the last copy can be had from the origin. Rejects with the signal's reason, or SWARM_CLOSED.
   */
  drain(options?: DrainOptions): Promise<LeaveStatus>;
  /** Says goodbye, ends all fetches with SWARM_CLOSED, serves nothing any more. The network stays open: who made it closes it. */
  close(): Promise<void>;
  /** Records that connected seeders know, or nodes where there is no seeder; latest first, one for each publisher and reference. */
  listRecords(options?: { readonly signal?: AbortSignal | undefined }): Promise<readonly ImageRecord[]>;
  /**
   * Tells the cluster that the image is gone: who has it is told (`onWithdrawn`), this node too, nobody gives a ticket for it any more, and who hears of it later
   * refuses it for a day. Resolves when the word has left. Another image under the same reference, with another hash, is not meant.
   */
  withdraw(key: ImageKey): Promise<void>;
  /**
   * Asks a member to fetch the image and to keep it; it is connected to if need be. Resolves when it has accepted or refused: fetching comes after. Rejects like
   * Network.request; with SWARM_REFUSED if it is of a build that does not know this, SWARM_TOO_LARGE for a manifest of over 8 MiB.
   */
  askToHold(
    peer: PeerId,
    image: { readonly record: ImageRecord; readonly manifest: Manifest; readonly withChunks: boolean },
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<HoldAnswer>;
  /** How far it is with an image that this node has asked it to hold; undefined: it holds it no longer, or has been started again since. */
  holdStatus(
    peer: PeerId,
    manifest: ManifestId,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<HoldState | undefined>;
  /**
   * A read of the origin that no fetch does, within the cluster's origin budget: resolves when this node may have one more under way, at once where there is
   * no budget. Who reads takes the bytes as they come, before he asks the origin for more, and releases. Until then it counts, whether bytes flow or not.
   * Rejects with the signal's reason, or SWARM_CLOSED.
   */
  openOriginRead(options?: { readonly signal?: AbortSignal | undefined }): Promise<OriginRead>;
  /** All that are known to be there, without this node. */
  members(): readonly SwarmMember[];
  /** Changes limits while it runs. */
  setRates(rates: Partial<SwarmRates>): void;
  rates(): SwarmRates;
  /** Never speaks to this peer again. */
  ban(peer: PeerId, reason: string): void;
  status(): SwarmStatus;
  figures(): SwarmFigures;
}

export interface SwarmMember {
  readonly peer: PeerId;
  /** Empty when it has not said. */
  readonly zone: string;
  readonly role: Role;
  readonly isConnected: boolean;
}

/** Puts the parts together: membership and inventory say who is there and has what, the fetcher fetches, servers serve. */
export function createSwarm(deps: SwarmDeps, chosen: ChosenSwarmOptions = {}): QuarrySwarm {
  const { network, store, clock, random, logger } = deps;
  const options = swarmOptions(chosen);
  const { observe } = options;
  const zoneOf = (peer: PeerId): string | undefined => membership.find(peer)?.record.zone;
  const traffic = createTrafficCounts({
    isOtherZone: (peer) => isOtherZone(options.zone, zoneOf(peer)),
    now: () => clock.now(),
  });
  const originBudget = createOriginBudgetKeeper(
    {
      network,
      clock,
      random,
      logger,
      connect: (peer, waiting) => membership.connect(peer, waiting),
      seeders: () => [...membership.ready()].filter(([, role]) => role === 'seeder').map(([peer]) => peer),
      members: () => [...membership.all()].map(({ record }) => record.peer),
      onAllowance: (allowance) => originReads.allow(allowance),
    },
    {
      role: options.role,
      budget: { bytesPerSecond: options.originBytesPerSecond, reads: options.originReads },
      uses: { ...budgetDefaults, joinMs: options.memberTtlMs / 2, ...options.budget },
    },
  );
  const closing = new AbortController();
  const originReads = createOriginReads({
    clock,
    keeper: () => originBudget,
    tellFetcher: (allowance) => fetcher.say({ kind: 'originAllowance', ...allowance }),
    closing: closing.signal,
  });
  // Only a seeder sits at the store's link.
  const gate = options.role === 'seeder' ? originBudget : undefined;
  const pacer = createUploadPacer(clock, options.uploadBytesPerSecond, gate);
  // Two banks: with one, two nodes that send to each other could fill it on both sides, and neither would have room to receive.
  const bankOptions = { maxBytes: options.memoryBytes / 2 };
  const [outgoing, incoming] = [createBufferBank({ clock }, bankOptions), createBufferBank({ clock }, bankOptions)];
  const downloadLimit = createRateLimit(clock, options.downloadBytesPerSecond);
  const receiving = createReceiving({ bank: incoming, limit: downloadLimit, clock });
  const checked = createCheckedPieces({ store, clock });
  const descriptors = createDescriptorCache(store, { maxEntries: options.cachedDescriptors });
  const packGate = createPackGate({ store, self: network.peerId });
  const pace = createLinkPace();
  const slots = createSenderSlots(() => pace.slots);
  const membership = createMembership(deps, options);
  const banned = new Map<PeerId, string>();
  const manifestFlights = createSingleFlight<Manifest | undefined>();
  const descriptorFlights = createSingleFlight<PackDescriptor | undefined>();
  const stops: (() => void)[] = [];
  let asks: AskServer | undefined;
  let cancelLook = (): void => {};
  let startedAtMs: number | undefined;
  let rates = {
    downloadBytesPerSecond: options.downloadBytesPerSecond,
    originBytesPerSecond: options.originBytesPerSecond,
    originReads: options.originReads,
  };

  const checkOpen = (): void => {
    closing.signal.throwIfAborted();
    if (startedAtMs === undefined) throw new SwarmError('SWARM_CLOSED', 'the swarm has not been started');
  };
  const ban = (peer: PeerId, reason: string): void => {
    if (banned.has(peer)) return;
    banned.set(peer, reason);
    network.ban(peer, reason);
    membership.forget(peer);
    inventory.drop(peer);
    options.onBanned(peer, reason);
  };
  const news = createPeerNews(
    {
      clock,
      random,
      logger,
      membership,
      inventory: () => inventory,
      fetcher: () => fetcher,
      isBanned: (peer) => banned.has(peer),
      startedAtMs: () => startedAtMs,
      signal: closing.signal,
    },
    options,
  );
  const nodes = (): PeerId[] => news.nodes();

  const inventory = createInventory(
    {
      network,
      store,
      clock,
      random,
      logger,
      members: () => membership.count,
      pace,
      holders: (pack, piece) => fetcher.holders(pack, piece),
      isWanted: (pack) => fetcher.wants(pack) !== undefined,
      ban,
      onHaves: (peer, changed) => news.haves(peer, changed),
      onWants: (changed) => {
        for (const pack of changed === undefined ? fetcher.wanted() : [changed]) news.wanters(pack);
      },
      observe,
    },
    options,
  );

  /** Holds a fetch back until peers have said what they have: else all of it would be asked of the seeder. */
  const lookAround = async (added: readonly PackId[], signal: AbortSignal | undefined): Promise<void> => {
    inventory.setWants(fetcher.wanted());
    if (added.length === 0) return;
    const settledAtMs = (startedAtMs ?? 0) + options.settleMs;
    while (membership.ready().size === 0 && clock.now() < settledAtMs) {
      await clock.sleep(Math.min(20, settledAtMs - clock.now()), { signal });
    }
    await inventory.ask(added, nodes(), signal);
  };
  const fetcher = createFetcher(
    {
      network,
      store,
      clock,
      random,
      logger,
      traffic,
      receiving,
      checked,
      linkPace: pace,
      getDescriptor: (pack, signal) => getDescriptor(pack, signal),
      wantsChanged: lookAround,
      knownOf: (descriptor) => news.knownOf(descriptor),
      originDemand: (wantsReads, heldReads) => originReads.fetcherDemand(wantsReads, heldReads),
      pace: (bytes, waitingFor) => originBudget.take(bytes, waitingFor),
      ban,
      distrusted: () => [...banned.keys()],
      seek: (pack, piece) => news.seek(pack, piece),
      observe,
    },
    options,
  );

  const drain = createDrain(
    {
      network,
      store,
      clock,
      logger,
      nodes: () => (options.role === 'seeder' ? nodes() : []),
      distrusted: () => asks?.status().distrusted ?? [],
      ban,
    },
    options.leave,
  );
  const lookups: LookupDeps = {
    network,
    clock,
    random,
    logger,
    ready: () => membership.ready(),
    connect: (peer, waiting) => membership.connect(peer, waiting),
    ban,
  };
  const images = createPrivateImages(
    {
      network,
      catalog: deps.catalog,
      clock,
      random,
      logger,
      signer: deps.signer,
      lookups,
      roleOf: (peer) => membership.ready().get(peer) ?? membership.find(peer)?.record.role,
    },
    options,
  );
  const waiting = (signal: AbortSignal | undefined) => ({
    timeoutMs: options.lookupTimeoutMs,
    signal: signal ? AbortSignal.any([signal, closing.signal]) : closing.signal,
  });
  const findDescriptor: Swarm['findDescriptor'] = async (id, { secret, signal } = {}) => {
    checkOpen();
    const asker = network.peerId;
    return descriptorFlights.run(
      secret ? `${id} with its secret` : id,
      (shared) =>
        findBlob(lookups, {
          ...waiting(shared),
          protocol: protocols.descriptor,
          id: idBytes(id),
          proofFor: secret && ((server) => makePackProof(secret, { asker, server })),
          maxBytes: limits.maxDescriptorBytes,
          decode: (bytes) => decodePackDescriptor(bytes, id),
          holders: shuffled(
            inventory.holders(id).filter((peer) => membership.ready().has(peer)),
            random,
          ),
        }),
      { signal },
    );
  };
  const getDescriptor = async (pack: PackId, signal: AbortSignal | undefined): Promise<PackDescriptor> => {
    const known = await store.findPack(pack, { signal });
    if (known) return known;
    const giveUpAtMs = clock.now() + options.giveUpMs;
    for (;;) {
      const found = await findDescriptor(pack, { signal });
      if (found) {
        await store.addPack(found, { signal });
        return found;
      }
      if (clock.now() >= giveUpAtMs) {
        throw new SwarmError('SWARM_NO_SOURCE', `nobody who can be reached knows pack ${pack}`, {
          details: { pack, giveUpMs: options.giveUpMs },
          canRetry: true,
        });
      }
      await clock.sleep(options.settleMs * (0.5 + random.next()), { signal: waiting(signal).signal });
    }
  };

  const onReady = (peer: PeerId, role: Role): void => {
    news.ready(peer, role);
    images.peerReady(peer);
    if (role === 'seeder') return originBudget.membersChanged();
    const wanted = [...fetcher.wanted()];
    inventory.ask(wanted, [peer], closing.signal).catch(() => {});
  };
  const onLost = (peer: PeerId): void => {
    news.lost(peer);
    originBudget.membersChanged();
    asks?.peerGone(peer);
    packGate.forget(peer);
    inventory.disconnected(peer);
    traffic.forget(peer);
  };
  /** Gossip gets lost: while something is missing that nobody shows, peers are asked again. */
  const lookAgain = (): void => {
    if (fetcher.load().unmetPieces > 0) inventory.ask([...fetcher.wanted()], nodes(), closing.signal).catch(() => {});
    news.refresh();
    cancelLook = clock.after(options.lookAgainMs, lookAgain);
  };

  return {
    async start() {
      closing.signal.throwIfAborted();
      if (startedAtMs !== undefined) return;
      startedAtMs = clock.now();
      const sending = {
        network,
        store,
        gate: packGate,
        descriptors,
        pacer,
        traffic,
        logger,
        clock,
        buffers: outgoing,
        checked,
        observe,
      };
      const serving = { ...sending, catalog: deps.catalog, random };
      stops.push(
        serveRecords(serving),
        serveBlobs(
          { ...serving, rights: images.rights, isConnected: (peer) => membership.ready().has(peer) },
          { redirects: options.role === 'seeder', blobGives: options.blobGives },
        ),
      );
      if (options.role === 'seeder') asks = serveAsks(serving, createSeederLedger({ random }, options.ledger));
      else
        stops.push(servePieces({ ...serving, pace }, slots), serveNeeds({ ...serving, needs: () => fetcher.needs() }));
      fetcher.say({ kind: 'rates', downloadBytesPerSecond: rates.downloadBytesPerSecond });
      originBudget.start();
      inventory.start();
      membership.start({
        peerReady: onReady,
        peerLost: onLost,
        memberGone: (peer, saidGoodbye) => {
          inventory.drop(peer);
          if (saidGoodbye) originBudget.memberSaidGoodbye(peer);
        },
        membersChanged: () => {
          originBudget.membersChanged();
          news.membersChanged();
        },
        lastUsedMs: (peer) =>
          Math.max(traffic.lastUsedMs(peer) ?? -Infinity, originBudget.lastUsedMs(peer) ?? -Infinity),
      });
      lookAgain();
      await images.start(closing.signal);
    },
    async close() {
      if (closing.signal.aborted) return;
      closing.abort(new SwarmError('SWARM_CLOSED', 'the swarm is closed'));
      cancelLook();
      news.stop();
      fetcher.close();
      originBudget.stop();
      asks?.stop();
      images.stop();
      inventory.stop();
      for (const stop of stops.splice(0)) stop();
      checked.stop();
      if (startedAtMs !== undefined) await membership.stop();
    },
    async drain(drainOptions = {}) {
      checkOpen();
      return drain.run({ ...drainOptions, signal: waiting(drainOptions.signal).signal });
    },
    async findRecords(ref, { imageBytes, hash, domain, signal } = {}) {
      checkOpen();
      const where = domain === undefined ? 'anywhere' : domain === publicDomain ? 'public' : 'private';
      if (where !== 'public' && imageBytes !== undefined && hash)
        return images.findRecords({ ref, imageBytes, hash }, where, waiting(signal));
      if (where === 'private') return [];
      return images.standing(await findRecords(lookups, ref, waiting(signal)));
    },
    async listRecords({ signal } = {}) {
      checkOpen();
      return images.standing(await listRecords(lookups, waiting(signal)));
    },
    async findManifest(id, { signal } = {}) {
      checkOpen();
      const access = images.access(id);
      if (access === 'closed') return undefined;
      const ticket = access === 'open' ? undefined : access;
      return manifestFlights.run(
        `${id} ${ticket?.expiresAtMs}`,
        (shared) =>
          findBlob(lookups, {
            ...waiting(shared),
            protocol: protocols.manifest,
            id: idBytes(id),
            maxBytes: limits.maxManifestBytes,
            decode: (bytes) => decodeManifest(bytes, id),
            ticket: ticket?.bytes,
            holders: ticket ? [ticket.issuer] : [],
          }),
        { signal },
      );
    },
    findDescriptor,
    async fetch(wants, fetchOptions) {
      checkOpen();
      return fetcher.fetch(wants, fetchOptions);
    },
    async askToHold(peer, image, { signal } = {}) {
      checkOpen();
      return images.holding.ask(peer, image, waiting(signal));
    },
    async holdStatus(peer, manifest, { signal } = {}) {
      checkOpen();
      return images.holding.status(peer, manifest, waiting(signal));
    },
    async openOriginRead({ signal } = {}) {
      checkOpen();
      return originReads.open(waiting(signal));
    },
    async withdraw(key) {
      checkOpen();
      await images.withdraw(key);
    },
    members: () =>
      [...membership.all()].map(({ record: { peer, zone, role } }) => ({
        peer,
        zone,
        role,
        isConnected: membership.ready().has(peer),
      })),
    setRates(next) {
      if (next.uploadBytesPerSecond !== undefined) pacer.setRate(next.uploadBytesPerSecond);
      if (next.downloadBytesPerSecond !== undefined) downloadLimit.setRate(next.downloadBytesPerSecond);
      rates = {
        downloadBytesPerSecond: next.downloadBytesPerSecond ?? rates.downloadBytesPerSecond,
        originBytesPerSecond: next.originBytesPerSecond ?? rates.originBytesPerSecond,
        originReads: next.originReads ?? rates.originReads,
      };
      fetcher.say({ kind: 'rates', downloadBytesPerSecond: rates.downloadBytesPerSecond });
      originBudget.setBudget({ bytesPerSecond: rates.originBytesPerSecond, reads: rates.originReads });
    },
    rates: ratesNow,
    ban,
    status: () => statusOf(),
    figures() {
      const { peers: _, ...bytes } = traffic.view();
      return {
        members: membership.count,
        peers: membership.ready().size,
        bannedPeers: banned.size,
        images: images.figures,
        ...bytes,
        memory: { sending: outgoing.view(), receiving: incoming.view() },
        leaving: drain.status(),
        originBudget: originBudget.status(),
      };
    },
  };

  function ratesNow(): SwarmRates {
    return { ...rates, uploadBytesPerSecond: pacer.bytesPerSecond };
  }

  function statusOf(): SwarmStatus {
    const { peers: perPeer, ...bytes } = traffic.view();
    return {
      peerId: network.peerId,
      role: options.role,
      members: [...membership.all()].map(({ record, expiresAtMs }) => ({
        peer: record.peer,
        role: record.role,
        zone: record.zone,
        addresses: record.addresses,
        expiresInMs: Math.max(0, Math.round(expiresAtMs - clock.now())),
      })),
      peers: [...membership.ready()].map(([peer, role]) => ({
        peer,
        role,
        sentBytes: perPeer.get(peer)?.sentBytes ?? 0,
        receivedBytes: perPeer.get(peer)?.receivedBytes ?? 0,
      })),
      banned: [...banned].map(([peer, reason]) => ({ peer, reason })),
      fetches: fetcher.fetches(),
      scheduler: fetcher.load(),
      serving: { now: slots.serving, queued: slots.queued },
      seeding: asks?.status(),
      leaving: drain.status(),
      originBudget: originBudget.status(),
      knownHaves: inventory.size,
      images: images.figures,
      bytes,
      memory: { sending: outgoing.view(), receiving: incoming.view() },
      rates: ratesNow(),
    };
  }
}
