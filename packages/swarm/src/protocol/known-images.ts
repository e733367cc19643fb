import { ByteWriter } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import { readImageNews, writeImageNews } from './images-message.ts';
import type { ImageNews } from './images-message.ts';
import { parseMessage, readList, readPeerId } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** What a newcomer asks its first peers: who has said what of images. Page by page. */
export interface KnownImages {
  /** To be asked for next; 0: that was all. Grows from page to page. */
  readonly next: number;
  readonly news: readonly RelayedNews[];
}

/** What another has said. `ageMs` is how long ago this arrived at who tells it. */
export interface RelayedNews {
  readonly author: PeerId;
  readonly ageMs: number;
  readonly news: ImageNews;
}

export const GET_KNOWN_IMAGES_BYTES = 8;

/** `after`: the `next` of the page before; 0 for the first. */
export function encodeGetKnownImages(after: number): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(after);
  return writer.finish();
}

export function decodeGetKnownImages(bytes: Uint8Array): number {
  return parseMessage('request for what is known of images', bytes, GET_KNOWN_IMAGES_BYTES, (reader) =>
    reader.varint(),
  );
}

export function encodeKnownImages({ next, news }: KnownImages): Uint8Array {
  const writer = new ByteWriter(16 + news.length * 128);
  writer.varint(next);
  writer.varint(news.length);
  for (const one of news) {
    writer.text(one.author);
    writer.varint(one.ageMs);
    writeImageNews(writer, one.news);
  }
  return writer.finish();
}

export function decodeKnownImages(bytes: Uint8Array): KnownImages {
  const { maxImagesNews, maxKnownImagesBytes } = protocolLimits;
  return parseMessage('what is known of images', bytes, maxKnownImagesBytes, (reader) => {
    const next = reader.varint();
    const news = readList(reader, 'news', { max: maxImagesNews, itemBytes: 37 }, () => ({
      author: readPeerId(reader),
      ageMs: reader.varint(),
      news: readImageNews(reader),
    }));
    return { next, news };
  });
}
