/**
 * What a node does when it is asked: the order of the steps of a fetch and of a seeding, and what is counted. Sees ports and the image
 * package; `compose.ts` hands the implementations in.
 */
import { digestBackend, imageRef } from '@quarry/content';
import type {
  Domain,
  EncodingChoice,
  ImageCatalog,
  ImageRecord,
  ImageRef,
  Manifest,
  Origin,
  PackStore,
  Signer,
  Swarm,
} from '@quarry/content';
import type { Compute, Trust } from '@quarry/image';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { Daemon, DaemonStatus, LeavingView, LimitsView, NetworkView } from './daemon.ts';
import { DaemonError } from './daemon-error.ts';
import { explained, fetchToFile } from './images/fetch-to-file.ts';
import { listImages, pinReason } from './images/list-images.ts';
import { prefetchImages } from './images/prefetch-images.ts';
import type { PrefetchDeps } from './images/prefetch-images.ts';
import { purgeImages } from './images/purge-images.ts';
import { createSeeding } from './images/seed-images.ts';
import type { SeedSource } from './images/seed-images.ts';
import { stayWithinBudget } from './images/store-budget.ts';
import type { Metrics } from './metrics/metrics.ts';
import { setFigures } from './metrics/set-figures.ts';
import type { Rates, SwarmFiguresView } from './metrics/set-figures.ts';
import type { FetchLog } from './piece-log/piece-log.ts';
import { version } from './version.ts';

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
  /** Forgets an image on this host; tells every member to. */
  readonly forget: (ref: ImageRef) => Promise<{ readonly packs: number; readonly bytes: number }>;
  readonly withdraw: (record: ImageRecord) => Promise<void>;
  readonly holders: Pick<PrefetchDeps, 'members' | 'askToHold' | 'holdStatus' | 'find'>;
  readonly metrics: Metrics;
  readonly fetchLog?: FetchLog | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly close: () => Promise<void>;
}

/** How often it is logged what a seeder that is to stop waits for. */
const LOG_LEAVING_MS = 5000;
export function createNodeDaemon(deps: NodeDaemonDeps): Daemon {
  const { store, catalog, metrics, clock, logger } = deps;
  const startedMs = clock.now();
  const seeding = createSeeding(deps);
  const budget = (): Promise<void> => stayWithinBudget(deps, deps.storeMaxBytes);

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
    images: async (options) =>
      await listImages({ ...deps, listRecords: (waiting) => deps.swarmView.listRecords(waiting) }, options),
    async fetch(request, options) {
      try {
        return await fetchToFile({ ...deps, peers: () => deps.swarmView.figures().peers }, request, options);
      } catch (error) {
        metrics.count('quarry_fetches_total', 1, { result: options.signal?.aborted ? 'cancelled' : 'failed' });
        logger.warn('image not fetched', { image: request.image, error });
        throw explained(error, deps.peerOfKey);
      } finally {
        await budget().catch((error: unknown) => logger.error('eviction failed', { error }));
      }
    },
    async seed(what, options) {
      const report = await seeding.seed(await deps.seedSources(what, options), options);
      await budget();
      return report;
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
    purge: async (request, options) => await purgeImages(deps, request, options),
    async prefetch(request, { signal, onProgress }) {
      return await prefetchImages({ ...deps, ...deps.holders }, request, {
        signal,
        onProgress(report) {
          const sum = (of: 'presentBytes' | 'wantedBytes'): number =>
            report.nodes.reduce((total, node) => total + node[of], 0);
          onProgress?.({
            step: 'prefetching',
            doneBytes: sum('presentBytes'),
            totalBytes: sum('wantedBytes'),
            prefetch: report,
          });
        },
      });
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
