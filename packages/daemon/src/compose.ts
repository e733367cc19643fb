/**
 * The composition root: the one place that knows every implementation. Read it from top to bottom to know what a running node is made of:
 * identity → store → threads → network → swarm → origin → daemon → control socket; closed in the opposite order.
 */
import { readFileSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { digestBackend, domain, imageRef } from '@quarry/content';
import type { ImageRecord, ImageRef, Origin } from '@quarry/content';
import { createCompute } from '@quarry/image';
import { createDirectoryOrigin, createGlanceOrigin, createGlanceStoreOrigin, createHttpOrigin } from '@quarry/origin';
import { createLifecycle, systemClock, systemClockEpochMs, systemRandom } from '@quarry/runtime';
import type { Lifecycle, Logger } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import {
  bulkProtocols,
  createBulkNetwork,
  createLibp2pNetwork,
  createSwarm,
  generateClusterKey,
  loadClusterKey,
  loadIdentity,
  parseClusterKey,
  parsePeerId,
  peerOfPublicKey,
  publicKeyOfPeer,
  saveClusterKey,
} from '@quarry/swarm';
import type { BulkNetwork, ChosenBulkOptions, Libp2pNetwork } from '@quarry/swarm';
import { loadBannedPeers } from './banned-peers.ts';
import type { Config } from './config/config.ts';
import { serveControl, serveMetrics } from './control/control-server.ts';
import type { Daemon, NetworkView } from './daemon.ts';
import { decideEncoding } from './decide-encoding.ts';
import { DaemonError } from './daemon-error.ts';
import { createHeldImages } from './images/held-images.ts';
import type { HeldImages } from './images/held-images.ts';
import { createImageService } from './images/image-service.ts';
import { createNodeImages } from './images/node-images.ts';
import type { Holding, NodeImages } from './images/node-images.ts';
import { stayWithinBudget } from './images/store-budget.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createNodeDaemon } from './node-daemon.ts';
import type { CallerHeaders } from './exports.ts';
import { openExports } from './open-exports.ts';
import { hasGateway, openGateway } from './open-gateway.ts';
import type { SeedSource } from './images/seed-images.ts';
import type { ScanDeps } from './scan/scan-images.ts';
import type { ScanSource } from './scan/scan-source.ts';
import { tokenFrom } from './open-origin.ts';
import { openPieceLog } from './piece-log/piece-log.ts';
import type { PieceLog } from './piece-log/piece-log.ts';

export type DaemonRole = 'node' | 'seeder';

export interface StartOptions {
  readonly role: DaemonRole;
  readonly logger: Logger;
  readonly signal?: AbortSignal | undefined;
  /** Without any network: for commands that only look after the store. */
  readonly isOffline?: boolean;
}

/** Resolves when the node accepts peers and its control socket answers. Rejects with coded errors; nothing is left open then. */
export async function startDaemon(
  config: Config,
  { role, logger, signal, isOffline = false }: StartOptions,
): Promise<Daemon> {
  const lifecycle = createLifecycle();
  try {
    const daemon = await compose(config, role, logger, lifecycle, isOffline);
    signal?.throwIfAborted();
    await serveControl(daemon, config.control.socket, lifecycle);
    if (config.control.metricsListen !== '') await serveMetrics(daemon, config.control.metricsListen, lifecycle);
    const digest = `${digestBackend.kind}, ${digestBackend.name}`;
    logger.info('ready', { role, node: daemon.nodeId, addresses: daemon.addresses(), digest });
    if (digestBackend.kind === 'portable')
      logger.warn('no native BLAKE3 for this platform: hashing takes ten times as long');
    return daemon;
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

async function compose(
  config: Config,
  role: DaemonRole,
  logger: Logger,
  lifecycle: Lifecycle,
  isOffline: boolean,
): Promise<Daemon> {
  const { dataDirectory, zone } = config.node;
  const base = { clock: systemClock, random: systemRandom, logger };
  await makeDirectory(dataDirectory);
  const storeDirectory = join(dataDirectory, 'store');
  const identity = await loadIdentity(join(dataDirectory, 'identity.key'), systemRandom);
  // off the network no key opens anything: one that nobody else has will do
  const clusterKey = isOffline
    ? parseClusterKey(generateClusterKey(systemRandom))
    : await loadClusterKey(config.network.clusterKeyFile);
  const store = await createDiskStore(base, { directory: storeDirectory });
  lifecycle.onClose('the store', () => store.close());
  const pieceLog = isOffline ? undefined : await openLogOfPieces(config, role, identity.peerId, logger);
  if (pieceLog) lifecycle.onClose('the piece log', () => pieceLog.close());
  const compute = createCompute({ clock: systemClock });
  lifecycle.onClose('compute threads', () => compute.close());
  const banned = await loadBannedPeers(join(dataDirectory, 'banned.json'), base);
  lifecycle.onClose('the list of banned peers', () => banned.settled());
  const libp2p = await createLibp2pNetwork(
    { ...base, identity, clusterKey },
    { ...networkOptions(config, isOffline), banned: banned.all.map(({ peer }) => parsePeerId(peer)) },
  );
  lifecycle.onClose('the network', () => libp2p.close());
  const bulk = isOffline ? undefined : bulkOptions(config.network);
  const bulkNetwork = bulk && (await createBulkNetwork(libp2p, base, bulk));
  if (bulkNetwork) lifecycle.onClose('bulk connections', () => bulkNetwork.close());
  const network = bulkNetwork ?? libp2p;
  const metrics = createMetrics();
  const origin = openOrigin(config.origin, lifecycle);
  const encoding = await decideEncoding(base, config);
  const trust = { publishers: config.trust.publishers.map((peer) => publicKeyOfPeer(parsePeerId(peer))) };
  const stayWithin = (): Promise<void> =>
    stayWithinBudget({ store: store.packs, metrics, logger }, config.store.maxBytes);
  // The swarm tells of images that are to be held or forgotten, and holding and forgetting need the swarm.
  const late: { held?: HeldImages; images?: NodeImages } = {};
  const swarm = createSwarm(
    { ...base, network, store: store.packs, catalog: store.images, signer: identity },
    // Off the network nobody has to hear of this node first.
    {
      role,
      zone,
      ...config.limits,
      budget: isOffline ? { joinMs: 0 } : {},
      // The role of a seeder is claimed; whose records are believed is the operator's word.
      trustsSigner: trust.publishers.length === 0 ? undefined : (key) => isAmong(key, trust.publishers),
      mayIssue: role === 'seeder' && origin?.kind === 'glance' ? whatGlanceSays(origin) : async () => true,
      onHold: async (request) =>
        (await late.held?.hold(request)) ?? { kind: 'refused', reason: 'this node is still starting' },
      holdState: (manifest) => late.held?.state(manifest),
      onWithdrawn: (ref, key) =>
        void late.images
          ?.forget(ref, 'deleted', key)
          .catch((error: unknown) => logger.error('an image could not be forgotten', { image: ref, error })),
      onBanned: (peer, reason) => banned.add(peer, reason),
      observe: pieceLog?.observe,
    },
  );
  const parts = { ...base, store: store.packs, catalog: store.images, compute, signer: identity, trust, encoding };
  const held = createHeldImages(
    { ...parts, swarm, stayWithinBudget: stayWithin },
    { maxBytes: config.images.heldMaxBytes },
  );
  const holding: Holding = {
    members: () => swarm.members(),
    askToHold: (peer, image, waiting) => swarm.askToHold(parsePeerId(peer), image, waiting),
    holdStatus: (peer, manifest, waiting) => swarm.holdStatus(parsePeerId(peer), manifest, waiting),
  };
  const images = createNodeImages(
    {
      ...parts,
      swarm,
      holding,
      held,
      glance: role === 'seeder' && origin?.kind === 'glance' ? origin : undefined,
      self: { peer: identity.peerId, zone },
      metrics,
    },
    config.images,
  );
  Object.assign(late, { held, images });
  lifecycle.onClose('the swarm', () => swarm.close());
  lifecycle.onClose('images that are held for others', () => held.close());
  lifecycle.onClose('images that are spread', () => images.close());
  await swarm.start();
  images.start();
  const glanceFor = callersGlance(config, lifecycle);
  if (!isOffline && hasGateway(config)) {
    const service = createImageService(
      {
        ...parts,
        swarm,
        glanceFor,
        onTaken: (record, manifest) => images.spread(record, manifest),
        onAsked({ ref }) {
          images.noteAsked(ref);
          pieceLog?.fetchBegan(ref, 'gateway');
        },
        forget: (image) => swarm.withdraw(image), // and this node with all others: onWithdrawn
        stayWithinBudget: stayWithin,
      },
      config.gateway,
    );
    await openGateway(config, { ...base, images: service, metrics, fetchLog: pieceLog }, lifecycle);
  }
  const fetching = {
    ...parts,
    swarm,
    domain: domain(config.origin.domain),
    peers: () => swarm.figures().peers,
    peerOfKey: peerOfPublicKey,
    expectsPeers: !isOffline && (config.network.mdns || config.network.bootstrap.length > 0),
    metrics,
    fetchLog: pieceLog,
  };
  if (!isOffline && config.exports.socket !== '') {
    const deps = {
      ...base,
      fetching,
      glanceFor,
      onAsked: (ref: ImageRef) => images.noteAsked(ref),
      stayWithinBudget: stayWithin,
    };
    await openExports(config, deps, lifecycle);
  }

  return createNodeDaemon({
    ...fetching,
    role,
    zone,
    nodeId: identity.peerId,
    directory: storeDirectory,
    storeMaxBytes: config.store.maxBytes,
    addresses: () => network.addresses(),
    networkFigures: () => networkFigures(libp2p, bulkNetwork),
    swarmView: swarm,
    origin,
    seedSources: (what, options) => seedSources(what, origin, lifecycle, options.signal),
    forget: (ref) => images.forget(ref, 'purged'),
    withdraw: (record) => images.withdraw(record),
    holders: { ...holding, find: (image, waiting) => images.find(image, waiting) },
    close: () => lifecycle.close(),
  });
}

async function openLogOfPieces(
  { node, log }: Config,
  role: DaemonRole,
  peer: string,
  logger: Logger,
): Promise<PieceLog | undefined> {
  if (log.pieces === '') return undefined;
  const options = { path: log.pieces, node: peer, role, zone: node.zone, epochMs: systemClockEpochMs };
  return await openPieceLog({ clock: systemClock, logger }, options);
}

/** Glance as its callers may see it: always asked with their headers, never with a token of this node's own. */
function callersGlance({ gateway }: Config, lifecycle: Lifecycle): (headers: CallerHeaders) => Origin {
  if (gateway.glance === '') {
    return () => {
      throw new TypeError('there is no Glance to ask');
    };
  }
  const ca = gateway.caFile === '' ? undefined : readFileSync(gateway.caFile, 'utf8');
  const glance = createGlanceOrigin({ clock: systemClock }, { url: gateway.glance, ca });
  lifecycle.onClose('Glance, as callers ask it', () => glance.close());
  return (headers) => glance.askedWith(headers);
}

function isAmong(key: Uint8Array, keys: readonly Uint8Array[]): boolean {
  return keys.some((other) => Buffer.compare(key, other) === 0);
}

/** A seeder with a token of its own gives a ticket only for what Glance has now, as it was. */
function whatGlanceSays(
  origin: Origin,
): (record: ImageRecord, waiting: { readonly signal?: AbortSignal | undefined }) => Promise<boolean> {
  return async ({ ref, hash, imageBytes }, { signal }) => {
    try {
      const described = await origin.describe(ref, { signal });
      return described.hash?.value === hash?.value && described.imageBytes === imageBytes;
    } catch {
      return false; // gone, deactivated, not to be seen with this token, or nobody answers
    }
  };
}

/** Makes a cluster key; an existing file is never replaced. */
export async function writeClusterKey(path: string): Promise<void> {
  await saveClusterKey(path, generateClusterKey(systemRandom));
}

function networkOptions(config: Config, isOffline: boolean): Parameters<typeof createLibp2pNetwork>[1] {
  const { listen, announce, bootstrap, mdns, dials } = config.network;
  return isOffline
    ? { listen: [], bootstrap: [], mdns: false, dials: false }
    : { listen, announce, bootstrap, mdns, dials };
}

/** How pieces travel; undefined: as all else. */
function bulkOptions(network: Config['network']): ChosenBulkOptions | undefined {
  const { bulk, bulkListen, bulkAnnounce, announce, dials } = network;
  if (bulk === 'off') return undefined;
  return {
    mode: bulk,
    protocols: bulkProtocols,
    listen: bulkListen,
    announce: bulkAnnounce,
    // What stands in front of the one port need not pass the other on: only the operator knows.
    offers: announce.length === 0 || bulkAnnounce.length > 0,
    connects: dials,
  };
}

function networkFigures(libp2p: Libp2pNetwork, bulkNetwork: BulkNetwork | undefined): NetworkView {
  const { sentBytes, receivedBytes } = libp2p.traffic();
  const bulk = bulkNetwork?.bulk();
  return {
    bulkAddresses: bulkNetwork?.bulkAddresses() ?? [],
    bulkConnections: bulk?.openConnections ?? 0,
    bulkFallbacks: bulk?.fallbacks ?? 0,
    bulkRefused: bulk?.refused ?? 0,
    bulk: { sentBytes: bulk?.sentBytes ?? 0, receivedBytes: bulk?.receivedBytes ?? 0 },
    libp2p: { sentBytes, receivedBytes },
  };
}

function openOrigin(config: Config['origin'], lifecycle: Lifecycle): Origin | undefined {
  const { kind, path, url, idleTimeoutMs } = config;
  const deps = { clock: systemClock };
  const closed = (origin: Origin): Origin => {
    lifecycle.onClose(`the origin (${origin.kind})`, () => origin.close());
    return origin;
  };
  const glance = (): Origin =>
    closed(createGlanceOrigin({ ...deps, token: tokenFrom(config) }, { url, idleTimeoutMs }));
  switch (kind) {
    case 'none':
      return undefined;
    case 'directory':
      return closed(createDirectoryOrigin(deps, { directory: path, idleTimeoutMs }));
    case 'glance-store': {
      // with a URL too, Glance says what an image is and whether it is whole; its bytes still come by path
      const records = url === '' ? undefined : glance();
      return closed(createGlanceStoreOrigin({ ...deps, records }, { directory: path, idleTimeoutMs }));
    }
    case 'glance':
      return glance();
    case 'http':
      return closed(createHttpOrigin(deps, { url, idleTimeoutMs }));
  }
}

/**
 * Works on images where they lie, without a daemon, a key or a data directory. They are named as for seeding: with an origin its images (nothing named: all
 * that it lists), without one files and directories of files.
 */
export async function withImages<T>(
  config: Config,
  what: readonly string[],
  signal: AbortSignal,
  work: (sources: readonly ScanSource[], parts: ScanDeps) => Promise<T>,
): Promise<T> {
  const lifecycle = createLifecycle();
  try {
    const sources = await imageSources(what, openOrigin(config.origin, lifecycle), lifecycle, signal);
    const compute = createCompute();
    lifecycle.onClose('compute threads', () => compute.close());
    return await work(sources, { clock: systemClock, random: systemRandom, compute });
  } finally {
    await lifecycle.close();
  }
}

async function imageSources(
  what: readonly string[],
  origin: Origin | undefined,
  lifecycle: Lifecycle,
  signal: AbortSignal,
): Promise<ScanSource[]> {
  const sources: ScanSource[] = [];
  if (origin && what.length === 0) {
    for await (const image of origin.list({ signal })) sources.push({ origin, image });
    return sources;
  }
  const named = await seedSources(what, origin, lifecycle, signal);
  for (const { origin: from, ref } of named)
    sources.push({ origin: from, image: await from.describe(imageRef(ref), { signal }) });
  return sources;
}

/** With an origin, what is named are its images (nothing named: all that it lists); without one, files and directories of files. */
async function seedSources(
  what: readonly string[],
  origin: Origin | undefined,
  lifecycle: Lifecycle,
  signal: AbortSignal | undefined,
): Promise<readonly SeedSource[]> {
  if (origin) {
    if (what.length > 0) return what.map((ref) => ({ origin, ref }));
    const sources: SeedSource[] = [];
    for await (const image of origin.list({ signal })) sources.push({ origin, ref: image.ref });
    return sources;
  }
  const sources: SeedSource[] = [];
  for (const path of what) {
    const found = await stat(path).catch((cause: unknown) => {
      throw new DaemonError('DAEMON_SEED_NOT_FOUND', `there is no file or directory ${path}`, {
        cause,
        details: { path },
      });
    });
    const directory = createDirectoryOrigin(
      { clock: systemClock },
      { directory: found.isDirectory() ? path : dirname(path) },
    );
    lifecycle.onClose(`the directory ${path}`, () => directory.close());
    if (!found.isDirectory()) sources.push({ origin: directory, ref: basename(path) });
    else for await (const image of directory.list({ signal })) sources.push({ origin: directory, ref: image.ref });
  }
  return sources;
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await readdir(path);
  } catch (cause) {
    throw new DaemonError(
      'DAEMON_DIRECTORY_UNUSABLE',
      `cannot use the data directory ${path}: ${cause instanceof Error ? cause.message : String(cause)}; name another with --data`,
      { cause, details: { path } },
    );
  }
}
