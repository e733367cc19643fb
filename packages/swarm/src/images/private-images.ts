import { imageKeyOf, imageLocator, imageSecret } from '@quarry/content';
import type { ImageCatalog, ImageKey, ImageLocator, ImageRecord, ImageRef, ManifestId, Signer } from '@quarry/content';
import { createSingleFlight } from '@quarry/runtime';
import type { Clock, Logger, Random } from '@quarry/runtime';
import { peerOfPublicKey } from '../network/peer-identity.ts';
import type { Network, PeerId } from '../ports/network.ts';
import type { Role } from '../scheduler/fetch-events.ts';
import { findRecords, latestFirst } from '../transfer/find-records.ts';
import type { LookupDeps } from '../transfer/lookup.ts';
import { createAskBounds } from './ask-bounds.ts';
import { findWithKey } from './find-with-key.ts';
import { createHolding } from './holding.ts';
import type { Holding, HoldingOptions } from './holding.ts';
import { createImageNews } from './image-news.ts';
import type { ImageNewsKeeper } from './image-news.ts';
import type { ImagesOptions } from './images-options.ts';
import { createManifestRights } from './manifest-rights.ts';
import type { ManifestRights } from './manifest-rights.ts';
import { createRecordIndex, isSameKey, locatorOf } from './record-index.ts';
import { serveTickets } from './serve-tickets.ts';
import type { MayIssue } from './serve-tickets.ts';
import { createTicketBox } from './ticket-box.ts';
import type { KeptTicket } from './ticket-box.ts';

export interface PrivateImagesDeps {
  readonly network: Network;
  readonly catalog: ImageCatalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Undefined: this node gives no tickets. */
  readonly signer: Signer | undefined;
  readonly lookups: LookupDeps;
  /** What a member says that it is; undefined: nothing is known of it. */
  readonly roleOf: (peer: PeerId) => Role | undefined;
}

export interface PrivateImagesOptions extends HoldingOptions {
  readonly role: Role;
  readonly images: ImagesOptions;
  readonly mayIssue: MayIssue;
  readonly trustsSigner: ((publicKey: Uint8Array) => boolean) | undefined;
  readonly onWithdrawn: (ref: ImageRef, key: ImageKey) => void;
}

interface LookupWaiting {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Images that not everybody may have: gives tickets for those of this node, and finds those of others for who knows their keys. */
export interface PrivateImages {
  /** Resolves when all images of this node can be asked for. */
  start(signal: AbortSignal): Promise<void>;
  stop(): void;
  peerReady(peer: PeerId): void;
  /** Public records for the ref, and the private one with this key. */
  findRecords(key: ImageKey, where: 'anywhere' | 'private', waiting: LookupWaiting): Promise<readonly ImageRecord[]>;
  /** Without the records of images that were withdrawn. */
  standing(records: readonly ImageRecord[]): readonly ImageRecord[];
  /** How the manifest can be asked for: of everybody, with a ticket, or not at all: of a private one not even the id is told. */
  access(manifest: ManifestId): KeptTicket | 'open' | 'closed';
  readonly rights: ManifestRights;
  withdraw(key: ImageKey): Promise<void>;
  readonly holding: Pick<Holding, 'ask' | 'status'>;
  readonly figures: ImageNewsKeeper['figures'];
}

export function createPrivateImages(deps: PrivateImagesDeps, options: PrivateImagesOptions): PrivateImages {
  const { network, catalog, clock, random, logger, signer } = deps;
  const { images } = options;
  const flights = createSingleFlight<readonly ImageRecord[]>();
  const tickets = createTicketBox(clock, images);
  const admits = createAskBounds(clock, { burst: images.ticketBurst, perSecond: images.ticketsPerSecond });
  const index = createRecordIndex({
    catalog,
    publicKey: signer?.publicKey,
    onImage: (image) => news.appeared(image),
  });
  const news = createImageNews(
    {
      network,
      clock,
      logger,
      index,
      admits,
      onGone: ({ ref, key }) => {
        logger.info('an image was withdrawn', { ref });
        options.onWithdrawn(ref, key);
      },
    },
    images,
  );
  const isSeeder = (publicKey: Uint8Array): boolean => {
    if (isSameKey(publicKey, signer?.publicKey)) return options.role === 'seeder';
    if (options.trustsSigner) return options.trustsSigner(publicKey);
    try {
      return deps.roleOf(peerOfPublicKey(publicKey)) === 'seeder';
    } catch {
      return false; // bytes that are no key
    }
  };
  const rights = createManifestRights({ catalog, clock, random, index, news, trustsSigner: isSeeder }, images);
  const stops: (() => void)[] = [];

  const isGone = (record: ImageRecord): boolean => {
    const locator = locatorOf(record);
    const key = imageKeyOf(record);
    return locator !== undefined && key !== undefined && news.isGone(locator, imageSecret(key));
  };

  const { connect, ban } = deps.lookups;
  const holding = createHolding({ network, clock, logger, connect, isGone, admits, ban }, options);
  /** The public records and the private one; of two lookups of which one has found something the other is not waited for much longer. */
  const findBoth = async (key: ImageKey, waiting: LookupWaiting): Promise<readonly ImageRecord[]> => {
    const locator = imageLocator(key);
    const done = new AbortController();
    const signal = AbortSignal.any([waiting.signal, done.signal]);
    const found: ImageRecord[] = [];
    const lookups = [
      findRecords(deps.lookups, key.ref, { ...waiting, signal }).then((records) => found.push(...records)),
      findPrivate(key, locator, { ...waiting, signal }).then((record) => record && found.push(record)),
    ];
    try {
      const firstFound = lookups.map(async (lookup) => {
        if ((await lookup) || found.length > 0) await clock.sleep(images.hedgeMs, { signal });
        else await Promise.all(lookups);
      });
      await Promise.race([Promise.all(lookups), ...firstFound]);
    } finally {
      done.abort(new Error('over'));
    }
    return latestFirst(found).filter((record) => !isGone(record));
  };
  const findPrivate = async (
    key: ImageKey,
    locator: ImageLocator,
    waiting: LookupWaiting,
  ): Promise<ImageRecord | undefined> => {
    if (news.isGone(locator, imageSecret(key))) return undefined;
    const [announcers, { hedgeMs }] = [news.announcers(locator), images];
    return findWithKey({ ...deps.lookups, tickets }, key, { ...waiting, announcers, hedgeMs });
  };

  return {
    rights,
    holding,
    async start(signal) {
      if (signer) {
        const serving = { network, catalog, clock, random, logger, signer, index, news, admits };
        stops.push(serveTickets({ ...serving, mayIssue: options.mayIssue }, { ...images, role: options.role }));
      }
      holding.start();
      news.start();
      await index.start(signal);
    },
    stop() {
      index.stop();
      news.stop();
      holding.stop();
      for (const stop of stops.splice(0)) stop();
    },
    peerReady: (peer) => news.peerReady(peer),
    findRecords: (key, where, waiting) =>
      flights.run(
        `${where} ${imageLocator(key)}`,
        async (signal) => {
          if (where === 'anywhere') return await findBoth(key, { ...waiting, signal });
          const record = await findPrivate(key, imageLocator(key), { ...waiting, signal });
          return record && !isGone(record) ? [record] : [];
        },
        { signal: waiting.signal },
      ),
    standing: (records) => records.filter((record) => !isGone(record)),
    access(manifest) {
      const ticket = tickets.find(manifest);
      if (ticket) return ticket;
      return tickets.knows(manifest) || rights.isPrivate(manifest) ? 'closed' : 'open';
    },
    withdraw(key) {
      return news.withdraw(imageLocator(key), imageSecret(key));
    },
    get figures() {
      return news.figures;
    },
  };
}
