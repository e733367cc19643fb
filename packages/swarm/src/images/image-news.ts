import { isGoneVoucher, makeGoneVoucher } from '@quarry/content';
import type { ImageLocator } from '@quarry/content';
import type { Clock, Logger } from '@quarry/runtime';
import type { GossipVerdict, Network, PeerId } from '../ports/network.ts';
import { decodeImagesMessage, encodeImagesMessage } from '../protocol/images-message.ts';
import type { ImageNews } from '../protocol/images-message.ts';
import {
  decodeGetKnownImages,
  decodeKnownImages,
  encodeGetKnownImages,
  encodeKnownImages,
  GET_KNOWN_IMAGES_BYTES,
} from '../protocol/known-images.ts';
import type { RelayedNews } from '../protocol/known-images.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols, topics } from '../protocol/protocol-names.ts';
import { SwarmError } from '../swarm-error.ts';
import type { ImageFigures } from '../swarm-status.ts';
import { createAuthoredTable } from './authored-table.ts';
import type { AuthoredEntry } from './authored-table.ts';
import type { ImagesOptions } from './images-options.ts';
import type { IndexedImage, RecordIndex } from './record-index.ts';

/** Of one image that many are remembered who give tickets, or say that it is gone. */
const MAX_PER_IMAGE = 8;
/** Own images that come together are announced together. */
const ANNOUNCE_AFTER_MS = 100;
/** From the first peer on: by then gossip flows. */
const JOIN_MS = 2000;
const EXPIRE_EVERY_MS = 60_000;

/** Who gives tickets for which images, and which are gone: tells the cluster, hears of it, and tells newcomers. */
export interface ImageNewsKeeper {
  start(): void;
  stop(): void;
  /** A peer has connected: the first of them are asked what is known. */
  peerReady(peer: PeerId): void;
  /** This node has the image, or another record of it. */
  appeared(image: IndexedImage): void;
  /** Members that give tickets for it, latest first. */
  announcers(locator: ImageLocator): readonly PeerId[];
  /** Whether somebody who knows its key has said that it is gone. */
  isGone(locator: ImageLocator, secret: Uint8Array): boolean;
  /** Tells the cluster that the image is gone. */
  withdraw(locator: ImageLocator, secret: Uint8Array): Promise<void>;
  readonly figures: ImageFigures;
}

export interface ImageNewsDeps {
  readonly network: Network;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly index: RecordIndex;
  /** An image that this node has is gone. Called once for each time that it has come. */
  readonly onGone: (image: IndexedImage) => void;
  /** Whether the peer may ask now; takes one of what it may ask for. */
  readonly admits: (peer: PeerId) => boolean;
}

export function createImageNews(deps: ImageNewsDeps, options: ImagesOptions): ImageNewsKeeper {
  const { network, clock, logger, index } = deps;
  const self = network.peerId;
  let serial = 0;
  const sizes = { maxPerAuthor: options.maxPerAuthor, maxPerImage: MAX_PER_IMAGE, nextSerial: () => (serial += 1) };
  const here = createAuthoredTable<undefined>({ ...sizes, maxEntries: options.maxHere });
  const gone = createAuthoredTable<Uint8Array>({ ...sizes, maxEntries: options.maxGone });
  const unsaid = new Set<ImageLocator>();
  const stopping = new AbortController();
  const stops: (() => void)[] = [];
  let isStarted = false;
  let hasMet = false;
  let newcomerAsks = 0;
  let cancelAnnounce: (() => void) | undefined;

  const isGone = (locator: ImageLocator, secret: Uint8Array): boolean =>
    gone.find(locator, clock.now()).some(({ author, value }) => isGoneVoucher(value, secret, author));

  const publish = async (news: readonly ImageNews[]): Promise<void> => {
    const { maxImagesNews } = protocolLimits;
    for (let from = 0; from < news.length; from += maxImagesNews) {
      await network.publish(topics.images, encodeImagesMessage(news.slice(from, from + maxImagesNews)));
    }
  };
  const publishQuietly = (news: readonly ImageNews[]): void => {
    publish(news).catch((error: unknown) => {
      if (!stopping.signal.aborted) logger.debug('cannot tell of images', { error: String(error) });
    });
  };
  const hereNews = (locator: ImageLocator): ImageNews => ({ kind: 'here', locator, ttlMs: options.hereTtlMs });
  /** Kept like what others say: newcomers are told of it. */
  const sayHere = (locator: ImageLocator): ImageNews => {
    const heardAtMs = clock.now();
    const untilMs = heardAtMs + options.hereTtlMs;
    here.put({ locator, author: self, value: undefined, heardAtMs, untilMs });
    return hereNews(locator);
  };
  const announceSoon = (locator: ImageLocator): void => {
    unsaid.add(locator);
    if (!isStarted || cancelAnnounce) return;
    cancelAnnounce = clock.after(ANNOUNCE_AFTER_MS, () => {
      cancelAnnounce = undefined;
      const known = [...unsaid].filter((one) => index.find(one)?.isOwnPrivate);
      unsaid.clear();
      publishQuietly(known.map(sayHere));
    });
  };
  /** All that this node has to say: messages get lost, and newcomers have heard nothing. */
  const publishAll = (): void => {
    const news: ImageNews[] = [];
    for (const { locator, secret, isOwnPrivate } of index.all()) {
      if (isOwnPrivate && !isGone(locator, secret)) news.push(sayHere(locator));
    }
    const sinceMs = clock.now() - options.hereTtlMs;
    for (const { author, locator, value, heardAtMs } of gone.after(0, Infinity, clock.now())) {
      if (author === self && heardAtMs >= sinceMs) news.push({ kind: 'gone', locator, voucher: value });
    }
    publishQuietly(news);
  };

  const hear = (author: PeerId, news: ImageNews, ageMs: number, isRelayed: boolean): void => {
    const heardAtMs = clock.now() - ageMs;
    if (news.kind === 'here') {
      if (author === self) return;
      const untilMs = heardAtMs + Math.min(news.ttlMs, options.hereTtlMs);
      if (untilMs > clock.now())
        here.put({ locator: news.locator, author, value: undefined, heardAtMs, untilMs }, { isRelayed });
      return;
    }
    const { locator, voucher } = news;
    const image = index.find(locator);
    if (image && !isGoneVoucher(voucher, image.secret, author)) {
      logger.warn('a peer says of an image that it is gone, and does not know its key', { peer: author });
      return;
    }
    const wasGone = image !== undefined && isGone(locator, image.secret);
    const untilMs = heardAtMs + options.goneMs;
    if (untilMs > clock.now()) gone.put({ locator, author, value: voucher, heardAtMs, untilMs }, { isRelayed });
    if (image && !wasGone) deps.onGone(image);
  };
  const validate = (bytes: Uint8Array): GossipVerdict => {
    try {
      decodeImagesMessage(bytes);
      return 'accept';
    } catch {
      return 'reject';
    }
  };

  const answerKnown = (after: number): Uint8Array => {
    const nowMs = clock.now();
    const { maxImagesNews: limit } = protocolLimits;
    const relayed = <T>(entry: AuthoredEntry<T>, news: ImageNews): { serial: number; told: RelayedNews } => ({
      serial: entry.serial,
      told: { author: entry.author, ageMs: Math.max(0, Math.round(nowMs - entry.heardAtMs)), news },
    });
    const page = [
      ...gone
        .after(after, limit, nowMs)
        .map((entry) => relayed(entry, { kind: 'gone', locator: entry.locator, voucher: entry.value })),
      ...here.after(after, limit, nowMs).map((entry) => relayed(entry, hereNews(entry.locator))),
    ]
      .sort((a, b) => a.serial - b.serial)
      .slice(0, limit);
    const next = page.length < limit ? 0 : (page.at(-1)?.serial ?? 0);
    return encodeKnownImages({ next, news: page.map(({ told }) => told) });
  };
  const askKnown = async (peer: PeerId): Promise<void> => {
    const maxPages = Math.ceil((options.maxGone + options.maxHere) / protocolLimits.maxImagesNews);
    for (let after = 0, pages = 0; pages < maxPages; pages += 1) {
      const bytes = await network.request(peer, protocols.knownImages, encodeGetKnownImages(after), {
        signal: stopping.signal,
        maxBytes: protocolLimits.maxKnownImagesBytes,
      });
      const { next, news } = decodeKnownImages(bytes);
      for (const { author, ageMs, news: one } of news) hear(author, one, ageMs, true);
      if (next <= after) return;
      after = next;
    }
  };
  const repeat = (everyMs: number, work: () => void): void => {
    let cancel = clock.after(everyMs, function again() {
      work();
      cancel = clock.after(everyMs, again);
    });
    stops.push(() => cancel());
  };

  return {
    start() {
      isStarted = true;
      stops.push(
        network.subscribe(topics.images, {
          validate: ({ bytes }) => validate(bytes),
          onMessage: ({ author, bytes }) => {
            for (const news of decodeImagesMessage(bytes)) hear(author, news, 0, false);
          },
        }),
        network.handle(protocols.knownImages, { maxRequestBytes: GET_KNOWN_IMAGES_BYTES }, async ({ peer, bytes }) => {
          const after = decodeGetKnownImages(bytes);
          if (!deps.admits(peer)) throw new SwarmError('SWARM_REFUSED', 'the peer asks too often');
          return answerKnown(after);
        }),
      );
      repeat(options.hereTtlMs / 3, publishAll);
      repeat(EXPIRE_EVERY_MS, () => {
        here.expire(clock.now());
        gone.expire(clock.now());
      });
      for (const { locator, isOwnPrivate } of index.all()) if (isOwnPrivate) announceSoon(locator);
    },
    stop() {
      stopping.abort(new SwarmError('SWARM_CLOSED', 'the swarm is closing'));
      cancelAnnounce?.();
      for (const stop of stops.splice(0)) stop();
    },
    peerReady(peer) {
      // What was said while nobody was there, said again when the neighbours know who takes part in the topic.
      if (!hasMet) stops.push(clock.after(JOIN_MS, publishAll));
      hasMet = true;
      if (newcomerAsks >= options.newcomerAsks) return;
      newcomerAsks += 1;
      askKnown(peer).catch((error: unknown) => {
        newcomerAsks -= 1;
        if (!stopping.signal.aborted)
          logger.debug('a peer does not say what is known of images', { peer, error: String(error) });
      });
    },
    appeared(image) {
      const { locator, secret } = image;
      // Now that the key is known it shows who had lied.
      for (const { author, value } of gone.find(locator, clock.now())) {
        if (!isGoneVoucher(value, secret, author)) gone.remove(locator, author);
      }
      if (isGone(locator, secret)) return deps.onGone(image);
      if (image.isOwnPrivate) announceSoon(locator);
    },
    announcers: (locator) => here.find(locator, clock.now()).map(({ author }) => author),
    isGone,
    async withdraw(locator, secret) {
      const voucher = makeGoneVoucher(secret, self);
      const image = index.find(locator);
      const wasGone = isGone(locator, secret);
      const heardAtMs = clock.now();
      gone.put({ locator, author: self, value: voucher, heardAtMs, untilMs: heardAtMs + options.goneMs });
      if (image && !wasGone) deps.onGone(image);
      await publish([{ kind: 'gone', locator, voucher }]);
    },
    get figures() {
      return { here: here.size, gone: gone.size };
    },
  };
}
