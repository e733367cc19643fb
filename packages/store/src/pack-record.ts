import {
  ByteReader,
  ByteWriter,
  chunksPerPieceFor,
  digestEquals,
  digestOf,
  domain as checkedDomain,
  limits,
  pieceMask,
} from '@quarry/content';
import type { ChunkSet, Domain } from '@quarry/content';
import { createFrameTable, frameBytes, frameCheck, setFrame } from './frame-table.ts';
import type { FrameTable } from './frame-table.ts';

/** What is durably known of a pack. Every set bit was written after its data was on disk. */
export interface PackRecord {
  /** Stands for the pack in the chunk index, in 4 bytes instead of 32. Not used again while the store is open. */
  readonly number: number;
  readonly domain: Domain;
  readonly chunkCount: number;
  /** Plain bytes of the chunks in `bits`. */
  readonly presentBytes: number;
  /** Bytes that they take in the file. */
  readonly storedBytes: number;
  /** Where the last chunk or frame ever marked ends: a shorter file was cut. */
  readonly dataEnd: number;
  /** As in ChunkSet. */
  readonly bits: Uint8Array;
  /** The pieces that are kept as frames; undefined where none is. */
  readonly frames: FrameTable | undefined;
}

/** 1 had no frames: everything in it was plain. */
const VERSION = 2;
const CHECK_BYTES = 8;
/** Piece, bytes and check of one frame. */
const FRAME_BYTES = 8;

/**
 * Version 2, integers little-endian: version u8; number varint; domain text; chunks u16; present bytes, stored bytes, data end varint; bits; number of frames
 * u16; each frame in the order of pieces: piece u8, bytes u24, check u32; 8 bytes of BLAKE3 over all of it.
 */
export function encodePackRecord(record: PackRecord): Uint8Array {
  const { frames } = record;
  const writer = new ByteWriter(64 + record.bits.length + FRAME_BYTES * ((frames?.length ?? 0) >> 1));
  writer.u8(VERSION);
  writer.varint(record.number);
  writer.text(record.domain);
  writer.u16(record.chunkCount);
  writer.varint(record.presentBytes);
  writer.varint(record.storedBytes);
  writer.varint(record.dataEnd);
  writer.raw(record.bits);
  const pieces = frames ? piecesOf(frames) : [];
  writer.u16(pieces.length);
  for (const piece of pieces) {
    const check = frameCheck(frames, piece);
    writer.u8(piece);
    writer.u24(frameBytes(frames, piece));
    writer.u16(check & 0xffff);
    writer.u16(check >>> 16);
  }
  const body = writer.finish();
  return Buffer.concat([body, digestOf(body).subarray(0, CHECK_BYTES)]);
}

function piecesOf(frames: FrameTable): number[] {
  return Array.from({ length: frames.length >> 1 }, (_, piece) => piece).filter(
    (piece) => frameBytes(frames, piece) > 0,
  );
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
  const version = fields.u8();
  if (version < 1 || version > VERSION) throw fields.malformed('has an unknown version');
  const number = fields.varint();
  const domainText = fields.text();
  const chunkCount = fields.u16();
  if (chunkCount < 1 || chunkCount > limits.maxChunksPerPack) throw fields.malformed(`declares ${chunkCount} chunks`);
  const presentBytes = fields.varint();
  const storedBytes = version === 1 ? presentBytes : fields.varint();
  const dataEnd = fields.varint();
  const bits = new Uint8Array(fields.view((chunkCount + 7) >> 3));
  const frames = version === 1 ? undefined : readFrames(fields, { chunkCount, bits });
  fields.end();
  const domain = fields.checked(() => checkedDomain(domainText));
  return { number, domain, chunkCount, presentBytes, storedBytes, dataEnd, bits, frames };
}

function readFrames(fields: ByteReader, present: ChunkSet): FrameTable | undefined {
  const count = fields.u16();
  if (count === 0) return undefined;
  const frames = createFrameTable(present.chunkCount);
  const chunksPerPiece = chunksPerPieceFor(present.chunkCount);
  for (let i = 0, next = 0; i < count; i += 1) {
    const piece = fields.u8();
    const bytes = fields.u24();
    const check = (fields.u16() | (fields.u16() << 16)) >>> 0;
    if (piece < next || 2 * piece >= frames.length || bytes === 0)
      throw fields.malformed(`has a frame of piece ${piece}`);
    const whole = (1 << Math.min(chunksPerPiece, present.chunkCount - piece * chunksPerPiece)) - 1;
    if ((pieceMask(present, piece, chunksPerPiece) & whole) !== whole)
      throw fields.malformed(`has a frame of piece ${piece}, which is not present`);
    setFrame(frames, piece, bytes, check);
    next = piece + 1;
  }
  return frames;
}
