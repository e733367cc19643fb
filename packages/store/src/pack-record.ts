import { ByteReader, ByteWriter, digestEquals, digestOf, domain as checkedDomain, limits } from '@quarry/content';
import type { Domain } from '@quarry/content';

/** What is durably known of a pack. Every set bit was written after its data was on disk. */
export interface PackRecord {
  /** Stands for the pack in the chunk index, in 4 bytes instead of 32. Not used again while the store is open. */
  readonly number: number;
  readonly domain: Domain;
  readonly chunkCount: number;
  /** Plain bytes of the chunks in `bits`. */
  readonly presentBytes: number;
  /** Where the last chunk ever marked ends: a shorter file was cut. */
  readonly dataEnd: number;
  /** As in ChunkSet. */
  readonly bits: Uint8Array;
}

const VERSION = 1;
const CHECK_BYTES = 8;

export function encodePackRecord(record: PackRecord): Uint8Array {
  const writer = new ByteWriter(64 + record.bits.length);
  writer.u8(VERSION);
  writer.varint(record.number);
  writer.text(record.domain);
  writer.u16(record.chunkCount);
  writer.varint(record.presentBytes);
  writer.varint(record.dataEnd);
  writer.raw(record.bits);
  const body = writer.finish();
  return Buffer.concat([body, digestOf(body).subarray(0, CHECK_BYTES)]);
}

/**
 * LevelDB does not check what it reads, and a flipped bit here would make an absent chunk present: hence the digest at the end.
 * @throws ContentError CONTENT_MALFORMED
 */
export function decodePackRecord(bytes: Uint8Array): PackRecord {
  const reader = new ByteReader(bytes, 'pack record');
  const body = reader.view(Math.max(0, bytes.length - CHECK_BYTES));
  if (!digestEquals(digestOf(body).subarray(0, CHECK_BYTES), reader.view(CHECK_BYTES))) {
    throw reader.malformed('does not have its digest');
  }
  const fields = new ByteReader(body, 'pack record');
  if (fields.u8() !== VERSION) throw fields.malformed('has an unknown version');
  const number = fields.varint();
  const domainText = fields.text();
  const chunkCount = fields.u16();
  if (chunkCount < 1 || chunkCount > limits.maxChunksPerPack) throw fields.malformed(`declares ${chunkCount} chunks`);
  const record = {
    number,
    domain: fields.checked(() => checkedDomain(domainText)),
    chunkCount,
    presentBytes: fields.varint(),
    dataEnd: fields.varint(),
    bits: new Uint8Array(fields.view((chunkCount + 7) >> 3)),
  };
  fields.end();
  return record;
}
