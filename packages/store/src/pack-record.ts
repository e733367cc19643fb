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
  /** As the descriptor has it. */
  readonly secret: Uint8Array | undefined;
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
/** The same with a secret. */
const PRIVATE_VERSION = 3;
const CHECK_BYTES = 8;
/** Piece, bytes and check of one frame. */
const FRAME_BYTES = 8;
const NO_FRAMES = new Uint8Array(0);

/**
 * Version 2, integers little-endian: version u8; number varint; domain text; in version 3 the secret, 32 bytes; chunks u16; present bytes, stored bytes, data end varint; bits; number of frames
 * u16; each frame in the order of pieces: piece u8, bytes u24, check u32; 8 bytes of BLAKE3 over all of it.
 */
export function encodePackRecord(record: PackRecord): Uint8Array {
  const { frames, secret } = record;
  const writer = new ByteWriter(128 + record.bits.length + FRAME_BYTES * ((frames?.length ?? 0) >> 1));
  writer.u8(secret ? PRIVATE_VERSION : VERSION);
  writer.varint(record.number);
  writer.text(record.domain);
  if (secret) writer.raw(secret);
  writer.u16(record.chunkCount);
  writer.varint(record.presentBytes);
  writer.varint(record.storedBytes);
  writer.varint(record.dataEnd);
  writer.raw(record.bits);
  const block = frames ? frameBlock(frames) : NO_FRAMES;
  writer.u16(block.length / FRAME_BYTES);
  writer.raw(block);
  const body = writer.finish();
  return Buffer.concat([body, digestOf(body).subarray(0, CHECK_BYTES)]);
}

/** By hand, as `readFrames` is: a store has up to a million of them, and opens in a second. */
function frameBlock(frames: FrameTable): Uint8Array {
  const block = new Uint8Array(FRAME_BYTES * (frames.length >> 1));
  let at = 0;
  for (let piece = 0; 2 * piece < frames.length; piece += 1) {
    const bytes = frameBytes(frames, piece);
    if (bytes === 0) continue;
    const check = frameCheck(frames, piece);
    block[at] = piece;
    for (let i = 0; i < 3; i += 1) block[at + 1 + i] = bytes >>> (8 * i);
    for (let i = 0; i < 4; i += 1) block[at + 4 + i] = check >>> (8 * i);
    at += FRAME_BYTES;
  }
  return block.subarray(0, at);
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
  if (version < 1 || version > PRIVATE_VERSION) throw fields.malformed('has an unknown version');
  const number = fields.varint();
  const domainText = fields.text();
  const secret = version === PRIVATE_VERSION ? fields.copy(limits.digestBytes) : undefined;
  const chunkCount = fields.u16();
  if (chunkCount < 1 || chunkCount > limits.maxChunksPerPack) throw fields.malformed(`declares ${chunkCount} chunks`);
  const presentBytes = fields.varint();
  const storedBytes = version === 1 ? presentBytes : fields.varint();
  const dataEnd = fields.varint();
  const bits = new Uint8Array(fields.view((chunkCount + 7) >> 3));
  const frames = version === 1 ? undefined : readFrames(fields, { chunkCount, bits });
  fields.end();
  const domain = fields.checked(() => checkedDomain(domainText));
  return { number, domain, secret, chunkCount, presentBytes, storedBytes, dataEnd, bits, frames };
}

function readFrames(fields: ByteReader, present: ChunkSet): FrameTable | undefined {
  const count = fields.u16();
  if (count === 0) return undefined;
  const frames = createFrameTable(present.chunkCount);
  const chunksPerPiece = chunksPerPieceFor(present.chunkCount);
  const block = fields.view(count * FRAME_BYTES);
  for (let at = 0, next = 0; at < block.length; at += FRAME_BYTES) {
    const piece = block[at] ?? 0;
    const bytes = littleEndian(block, at + 1, 3);
    const check = littleEndian(block, at + 4, 4);
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

function littleEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i -= 1) value = (value << 8) | (bytes[at + i] ?? 0);
  return value >>> 0;
}
