import { ByteWriter, imageLocatorFrom, limits, locatorBytes } from '@quarry/content';
import type { ByteReader, ImageLocator } from '@quarry/content';
import { parseMessage, readList } from './message.ts';
import { protocolLimits } from './protocol-limits.ts';

/** What the author says of an image, by its locator: nothing to those who do not know its key. */
export type ImageNews =
  /** It gives out tickets for it, for so long from when this arrives. */
  | { readonly kind: 'here'; readonly locator: ImageLocator; readonly ttlMs: number }
  /** It is gone for good. The voucher (32 bytes) is of the author. */
  | { readonly kind: 'gone'; readonly locator: ImageLocator; readonly voucher: Uint8Array };

const VERSION = 1;
const HERE = 0;
const GONE = 1;
const MIN_ENTRY_BYTES = 1 + limits.digestBytes + 1;

export function encodeImagesMessage(news: readonly ImageNews[]): Uint8Array {
  const writer = new ByteWriter(16 + news.length * 40);
  writer.u8(VERSION);
  writer.varint(news.length);
  for (const one of news) writeImageNews(writer, one);
  return writer.finish();
}

export function decodeImagesMessage(bytes: Uint8Array): ImageNews[] {
  const { maxImagesNews, maxImagesBytes } = protocolLimits;
  return parseMessage('images message', bytes, maxImagesBytes, (reader) => {
    const version = reader.u8();
    if (version !== VERSION) throw reader.malformed(`has the unknown version ${version}`);
    return readList(reader, 'images', { max: maxImagesNews, itemBytes: MIN_ENTRY_BYTES }, () => readImageNews(reader));
  });
}

/** Shared with what newcomers are told. */
export function writeImageNews(writer: ByteWriter, news: ImageNews): void {
  writer.u8(news.kind === 'here' ? HERE : GONE);
  writer.raw(locatorBytes(news.locator));
  if (news.kind === 'here') writer.varint(news.ttlMs);
  else writer.raw(news.voucher);
}

export function readImageNews(reader: ByteReader): ImageNews {
  const kind = reader.u8();
  const locator = imageLocatorFrom(reader.view(limits.digestBytes));
  if (kind === GONE) return { kind: 'gone', locator, voucher: reader.copy(limits.digestBytes) };
  if (kind !== HERE) throw reader.malformed(`has news of the unknown kind ${kind}`);
  const ttlMs = reader.varint();
  if (ttlMs > protocolLimits.maxTtlMs) throw reader.malformed(`has news that live for ${ttlMs} ms`);
  return { kind: 'here', locator, ttlMs };
}
