/**
 * What a node does when it is asked: the order of the steps of a fetch and of a seeding, and what is counted. Sees ports and the image
 * package; `compose.ts` hands the implementations in.
 */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { chunkLength, chunkNeeds, chunksOf, digestBackend, hasChunk, imageRef } from '@quarry/content';
import type {
  Domain,
  EncodingChoice,
  ImageCatalog,
  ImageHash,
  ImageRecord,
  Manifest,
  ManifestId,
  Origin,
  PackDescriptor,
  PackId,
  PackLease,
  PackStore,
  Signer,
  Swarm,
} from '@quarry/content';
import { createSourcePool, fetchImage, ingestImage, rebuildImage } from '@quarry/image';
import type { Compute, Trust } from '@quarry/image';
import { errorCode, isCodedError } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type {
  Daemon,
  DaemonStatus,
  FetchImageReport,
  ImageListing,
  LeavingView,
  LimitsView,
  NetworkView,
  SeedReport,
} from './daemon.ts';
import { DaemonError } from './daemon-error.ts';
import { formatImageHash, parseImageHash } from './image-hash-text.ts';
import type { Metrics } from './metrics/metrics.ts';
import { setFigures } from './metrics/set-figures.ts';
import type { Rates, SwarmFiguresView } from './metrics/set-figures.ts';
import { version } from './version.ts';

/** Where one image is read from when it is seeded. */
export interface SeedSource {
  readonly origin: Origin;
  readonly ref: string;
}

/** What the swarm says of itself beyond its port. */
export interface SwarmView {
  status(): Readonly<Record<string, unknown>>;
  /** Records that connected members know. */
  listRecords(options: { readonly signal?: AbortSignal | undefined }): Promise<readonly ImageRecord[]>;
  /** Resolves when a seeder may leave, or the time is over. */
  drain(options: {
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMs: number;
    readonly onProgress: (leaving: LeavingView) => void;
  }): Promise<LeavingView>;
  rates(): Rates;
  setRates(rates: Partial<Rates>): void;
  figures(): SwarmFiguresView;
}

export interface NodeDaemonDeps {
  readonly role: 'node' | 'seeder';
  readonly nodeId: string;
  readonly zone: string;
  readonly directory: string;
  readonly storeMaxBytes: number;
  readonly addresses: () => readonly string[];
  readonly networkFigures: () => NetworkView;
  readonly store: PackStore;
  readonly catalog: ImageCatalog;
  /** The threads of all ingests and rebuilds: begun by the first that is large enough. */
  readonly compute: Compute;
  readonly swarm: Swarm;
  readonly swarmView: SwarmView;
  readonly origin: Origin | undefined;
  /** The domain of what is ingested here from an origin that does not say whose it is. */
  readonly domain: Domain;
  /** How images that are ingested here are kept. */
  readonly encoding: EncodingChoice;
  readonly signer: Signer;
  readonly trust: Trust;
  readonly peerOfKey: (publicKey: Uint8Array) => string;
  /** Whether others are to be met: a bootstrap address or mDNS is configured. */
  readonly expectsPeers: boolean;
  /** Turns what was named for seeding into images. */
  readonly seedSources: (
    what: readonly string[],
    options: { readonly signal?: AbortSignal | undefined },
  ) => Promise<readonly SeedSource[]>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly close: () => Promise<void>;
}

/** How often it is logged what a seeder that is to stop waits for. */
const LOG_LEAVING_MS = 5000;
/** How often another manifest is tried when an untrusted one turned out to make other bytes. */
const MAX_MANIFESTS = 3;
/** How long a fetch waits for a first peer. */
const MEET_WITHIN_MS = 15_000;

export function createNodeDaemon(deps: NodeDaemonDeps): Daemon {
  const { store, catalog, metrics, clock, logger } = deps;
  const startedMs = clock.now();
  const seeded = new Map<string, PackLease>();

  const manifestOf = async (image: string): Promise<Manifest> => {
    for (const record of await catalog.findRecords(imageRef(image))) {
      const manifest = await catalog.findManifest(record.manifest);
      if (manifest) return manifest;
    }
    throw new DaemonError(
      'DAEMON_IMAGE_NOT_FOUND',
      `this node knows nothing of an image ${JSON.stringify(image)}; fetch or seed it first`,
      { details: { image } },
    );
  };

  const stayWithinBudget = async (): Promise<void> => {
    if (store.usage().storedBytes <= deps.storeMaxBytes) return;
    const report = await store.evict(deps.storeMaxBytes);
    metrics.count('quarry_store_evicted_bytes_total', report.evictedBytes);
    if (report.keptBytes > deps.storeMaxBytes) {
      logger.warn('the store is over its budget and nothing more can be evicted', {
        keptBytes: report.keptBytes,
        maxBytes: deps.storeMaxBytes,
        heldBytes: report.heldBytes,
      });
    }
  };

  const fetch: Daemon['fetch'] = async (request, { signal, onProgress }) => {
    const ref = imageRef(request.image);
    const expectedHash = request.expectedHash === undefined ? undefined : parseImageHash(request.expectedHash);
    if (request.overwrite !== true) await refuseExisting(request.destination);
    const startMs = clock.now();
    onProgress?.({ step: 'finding', image: ref, doneBytes: 0, totalBytes: undefined });
    await meetSomebody(deps, signal);
    const exceptManifests = new Set<ManifestId>();
    let mismatch: unknown;
    for (;;) {
      const fetched = await fetchImage(deps, ref, {
        signal,
        expectedHash,
        exceptManifests,
        ingestInto: deps.domain,
        encoding: deps.encoding,
        onProgress: (progress) =>
          onProgress?.({
            step: progress.phase,
            image: ref,
            doneBytes: progress.presentBytes,
            totalBytes: progress.wantedBytes,
          }),
      }).catch((error: unknown) => {
        // that no other manifest is left says less than what was wrong with the last
        throw mismatch !== undefined && signal?.aborted !== true ? mismatch : error;
      });
      const fetchedMs = clock.now();
      const mustMatch =
        fetched.mustMatch ?? expectedHash ?? (request.checkHash === true ? fetched.manifest.hash : undefined);
      if (request.checkHash === true && mustMatch === undefined) {
        throw new DaemonError(
          'DAEMON_BAD_REQUEST',
          `nobody has named a whole-image hash for ${ref}; give one with --expect-hash, or leave --check-hash away (every chunk is checked in any case)`,
        );
      }
      try {
        await rebuild(fetched.manifest, request.destination, mustMatch, request.overwrite === true, {
          signal,
          onProgress,
        });
      } catch (error) {
        const isOthersFault = fetched.mustMatch !== undefined && errorCode(error) === 'IMAGE_HASH_MISMATCH';
        exceptManifests.add(fetched.manifest.id);
        mismatch = error;
        if (!isOthersFault || exceptManifests.size >= MAX_MANIFESTS) throw error;
        logger.warn('a manifest by a publisher who is not trusted makes another image; trying the next', {
          image: ref,
          manifest: fetched.manifest.id,
        });
        continue;
      }
      const { report } = fetched;
      const result: FetchImageReport = {
        image: ref,
        destination: request.destination,
        imageBytes: report.imageBytes,
        // what was in the store before is from this host too
        bytesBySource: { ...report.bytesBySource, local: report.bytesBySource.local + report.presentBytes },
        wireBytesBySource: report.wireBytesBySource,
        duplicateBytes: report.duplicateBytes,
        badChunks: report.badChunks,
        fetchMs: fetchedMs - startMs,
        rebuildMs: clock.now() - fetchedMs,
        isHashChecked: mustMatch !== undefined,
      };
      countFetch(metrics, result);
      logger.info('image fetched', { ...result });
      return result;
    }
  };

  const rebuild = async (
    manifest: Manifest,
    destination: string,
    mustMatch: ImageHash | undefined,
    mayOverwrite: boolean,
    { signal, onProgress }: Parameters<Daemon['fetch']>[1],
  ): Promise<void> => {
    await rebuildImage(deps, manifest, destination, {
      signal,
      mayOverwrite,
      expectedHash: mustMatch,
      onProgress: ({ rebuiltBytes, imageBytes }) =>
        onProgress?.({
          step: 'rebuilding',
          image: basename(destination),
          doneBytes: rebuiltBytes,
          totalBytes: imageBytes,
        }),
    });
  };

  const seedOne = async (
    { origin, ref }: SeedSource,
    { signal, onProgress }: Parameters<Daemon['seed']>[1],
  ): Promise<SeedReport['images'][number]> => {
    const image = await origin.describe(imageRef(ref), { signal });
    const pool = createSourcePool();
    const bytes = origin.open(image, { signal, pool });
    const { manifest, report } = await ingestImage(
      deps,
      {
        ref: image.ref,
        domain: image.domain ?? deps.domain,
        bytes,
        pool,
        imageBytes: image.imageBytes,
        expectedHash: image.hash,
      },
      {
        signal,
        encoding: deps.encoding,
        onProgress: ({ readBytes }) =>
          onProgress?.({ step: 'ingesting', image: image.ref, doneBytes: readBytes, totalBytes: image.imageBytes }),
      },
    );
    // what is seeded stays while this process runs, whatever the budget
    const earlier = seeded.get(ref);
    seeded.set(ref, store.lease(manifest.packs));
    earlier?.release();
    metrics.count('quarry_ingested_images_total', 1, { result: 'ok' });
    metrics.count('quarry_ingested_bytes_total', report.imageBytes);
    return {
      image: image.ref,
      imageBytes: report.imageBytes,
      newBytes: report.newBytes,
      durationMs: report.durationMs,
    };
  };

  return {
    nodeId: deps.nodeId,
    addresses: deps.addresses,
    async status(): Promise<DaemonStatus> {
      const usage = store.usage();
      const figures = deps.swarmView.figures();
      return {
        version,
        nodeId: deps.nodeId,
        role: deps.role,
        zone: deps.zone,
        uptimeMs: clock.now() - startedMs,
        addresses: deps.addresses(),
        digest: `${digestBackend.kind}, ${digestBackend.name}`,
        origin: deps.origin?.kind ?? 'none',
        store: { directory: deps.directory, maxBytes: deps.storeMaxBytes, ...usage },
        memory: { rssBytes: process.memoryUsage.rss() },
        peers: figures.peers,
        members: figures.members,
        originBudget: figures.originBudget,
        crossZone: { receivedBytes: figures.crossZoneReceivedBytes, sentBytes: figures.crossZoneSentBytes },
        network: deps.networkFigures(),
        limits: limitsOf(deps.swarmView.rates()),
        leaving: figures.leaving,
        swarm: deps.swarmView.status(),
      };
    },
    images: async (options) => await listImages(deps, options),
    async fetch(request, options) {
      try {
        return await fetch(request, options);
      } catch (error) {
        metrics.count('quarry_fetches_total', 1, { result: options.signal?.aborted ? 'cancelled' : 'failed' });
        logger.warn('image not fetched', { image: request.image, error });
        throw explained(error, deps.peerOfKey);
      } finally {
        await stayWithinBudget().catch((error: unknown) => logger.error('eviction failed', { error }));
      }
    },
    async seed(what, options) {
      const images: SeedReport['images'][number][] = [];
      const failures: SeedReport['failures'][number][] = [];
      for (const source of await deps.seedSources(what, options)) {
        try {
          images.push(await seedOne(source, options));
        } catch (error) {
          options.signal?.throwIfAborted();
          metrics.count('quarry_ingested_images_total', 1, { result: 'failed' });
          logger.error('image not seeded', { image: source.ref, error });
          failures.push({
            image: source.ref,
            code: errorCode(error) ?? 'INTERNAL',
            message: error instanceof Error ? error.message : String(error),
          });
        }
      }
      await stayWithinBudget();
      return { images, failures };
    },
    async verify({ signal, onProgress }) {
      return await store.verify({
        signal,
        onProgress: ({ checkedBytes, totalBytes }) =>
          onProgress?.({ step: 'verifying', doneBytes: checkedBytes, totalBytes }),
      });
    },
    async pin(image) {
      const { packs } = await manifestOf(image);
      await store.pin(packs, pinReason(image));
      return packs.length;
    },
    async unpin(image) {
      const packs = (await store.pins()).get(pinReason(image));
      if (!packs)
        throw new DaemonError('DAEMON_IMAGE_NOT_FOUND', `the image ${JSON.stringify(image)} is not pinned here`, {
          details: { image },
        });
      await store.unpin(pinReason(image));
      return packs.length;
    },
    async gc(maxBytes, { signal }) {
      const report = await store.evict(maxBytes ?? deps.storeMaxBytes, { signal });
      metrics.count('quarry_store_evicted_bytes_total', report.evictedBytes);
      return report;
    },
    async drain({ signal, timeoutMs, onWaiting }) {
      let loggedMs = -Infinity;
      const leaving = await deps.swarmView.drain({
        signal,
        timeoutMs,
        onProgress(now) {
          if (now.mayLeave) return;
          onWaiting?.(now);
          if (now.waitedMs - loggedMs < LOG_LEAVING_MS) return;
          loggedMs = now.waitedMs;
          logger.info('waiting before this seeder stops: nodes need pieces that too few of them hold', { ...now });
        },
      });
      if (!leaving.mayLeave)
        logger.warn('this seeder stops although nodes need pieces that too few of them hold', { ...leaving });
      return leaving;
    },
    limits(change) {
      const rates = Object.entries(change).filter(([, value]) => value !== undefined);
      if (rates.length > 0) {
        deps.swarmView.setRates(Object.fromEntries(rates.map(([name, value]) => [name, value ?? Infinity])));
        logger.info('limits changed', { ...limitsOf(deps.swarmView.rates()) });
      }
      return limitsOf(deps.swarmView.rates());
    },
    async metrics() {
      setFigures(metrics, {
        role: deps.role,
        usage: store.usage(),
        storeMaxBytes: deps.storeMaxBytes,
        swarm: deps.swarmView.figures(),
        rates: deps.swarmView.rates(),
        network: deps.networkFigures(),
      });
      return await metrics.text();
    },
    close: deps.close,
  };
}

function limitsOf(rates: Rates): LimitsView {
  const shown = (value: number): number | null => (value === Infinity ? null : value);
  return {
    uploadBytesPerSecond: shown(rates.uploadBytesPerSecond),
    downloadBytesPerSecond: shown(rates.downloadBytesPerSecond),
    originBytesPerSecond: shown(rates.originBytesPerSecond),
    originReads: shown(rates.originReads),
  };
}

function pinReason(image: string): string {
  return `image:${image}`;
}

/** A node that has just started knows nobody yet: asked then, nobody would have the image. Who is alone for longer goes on alone. */
async function meetSomebody(deps: NodeDaemonDeps, signal: AbortSignal | undefined): Promise<void> {
  const untilMs = deps.clock.now() + (deps.expectsPeers ? MEET_WITHIN_MS : 0);
  while (deps.swarmView.figures().peers === 0 && deps.clock.now() < untilMs) await deps.clock.sleep(50, { signal });
}

/** Says what to do in the words of the command line: below this layer nobody knows of flags and peer ids. */
function explained(error: unknown, peerOfKey: (publicKey: Uint8Array) => string): unknown {
  if (!isCodedError(error) || error.code !== 'IMAGE_UNTRUSTED') return error;
  const { ref, publishers } = error.details;
  const peers = (Array.isArray(publishers) ? publishers : []).map((key) => peerOfKey(Buffer.from(String(key), 'hex')));
  const message = `the image ${String(ref)} is published only by ${peers.join(', ')}, whom this node does not trust; start it with --trust ${peers[0]} if that is your seeder, set an origin that knows the image’s hash, or give the hash with --expect-hash`;
  return new DaemonError('DAEMON_PUBLISHER_UNTRUSTED', message, { cause: error, details: { image: ref, peers } });
}

async function refuseExisting(destination: string): Promise<void> {
  const exists = await stat(destination).then(
    () => true,
    () => false,
  );
  // rebuild refuses too; said here, nothing is fetched in vain
  if (exists)
    throw new DaemonError('DAEMON_DESTINATION_EXISTS', `${destination} exists; --overwrite replaces it`, {
      details: { destination },
    });
}

function countFetch(metrics: Metrics, report: FetchImageReport): void {
  metrics.count('quarry_fetches_total', 1, { result: 'ok' });
  metrics.observe('quarry_fetch_seconds', (report.fetchMs + report.rebuildMs) / 1000);
  for (const [source, bytes] of Object.entries(report.bytesBySource))
    metrics.count('quarry_fetched_bytes_total', bytes, { source });
  metrics.count('quarry_duplicate_bytes_total', report.duplicateBytes);
  metrics.count('quarry_bad_chunks_total', report.badChunks);
}

async function listImages(
  deps: NodeDaemonDeps,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<readonly ImageListing[]> {
  const trusted = new Set(
    [...deps.trust.publishers, deps.signer.publicKey].map((key) => Buffer.from(key).toString('hex')),
  );
  const pins = await deps.store.pins();
  const latest = new Map<string, ImageRecord>();
  const consider = (record: ImageRecord): void => {
    const known = latest.get(record.ref);
    if (!known || known.publishedAtMs < record.publishedAtMs) latest.set(record.ref, record);
  };
  for await (const record of deps.catalog.listRecords({ signal })) consider(record);
  for (const record of await deps.swarmView.listRecords({ signal })) consider(record);
  const listings: ImageListing[] = [];
  for (const record of [...latest.values()].sort((a, b) => (a.ref < b.ref ? -1 : 1))) {
    const manifest = await deps.catalog.findManifest(record.manifest, { signal });
    listings.push({
      image: record.ref,
      imageBytes: record.imageBytes,
      domain: record.domain,
      hash: record.hash && formatImageHash(record.hash),
      publisher: deps.peerOfKey(record.publisher),
      isTrusted: trusted.has(Buffer.from(record.publisher).toString('hex')),
      localBytes: manifest && (await presentBytes(deps.store, manifest)),
      isPinned: pins.has(pinReason(record.ref)),
    });
  }
  return listings;
}

/** Plain bytes of the image's own chunks that are here. */
async function presentBytes(store: PackStore, manifest: Manifest): Promise<number | undefined> {
  const descriptors = new Map<PackId, PackDescriptor>();
  for (const pack of manifest.packs) {
    const descriptor = await store.findPack(pack);
    if (!descriptor) return undefined;
    descriptors.set(pack, descriptor);
  }
  let bytes = 0;
  for (const [pack, needed] of chunkNeeds(manifest, (id) => descriptors.get(id) as PackDescriptor)) {
    const [present, descriptor] = [store.present(pack), descriptors.get(pack)];
    if (!present || !descriptor) continue;
    for (const chunk of chunksOf(needed)) if (hasChunk(present, chunk)) bytes += chunkLength(descriptor, chunk);
  }
  return bytes;
}
