import { limits } from '@quarry/content';
import type { ByteReader, ByteWriter } from '@quarry/content';
import type { PieceMask } from '../scheduler/fetch-events.ts';
import { fullMask } from '../scheduler/piece-masks.ts';
import type { PackShape, PieceMasks } from '../scheduler/piece-masks.ts';

/**
 * A set of chunks of one pack as messages carry it, understandable without the pack's descriptor: which pieces are whole, and masks of
 * those that are not. 32 bytes and a few say all of a pack of 256 MiB.
 */
export interface PieceSet {
  /** One bit per piece, piece 0 in the lowest bit of the first byte; no zero byte at the end. */
  readonly whole: Uint8Array;
  /** Pieces in ascending order of which some chunks are in the set, and not all. */
  readonly partial: readonly { readonly piece: number; readonly mask: number }[];
}

const NONE: PieceSet['partial'] = Object.freeze([]);

export const emptyPieceSet: PieceSet = Object.freeze({ whole: new Uint8Array(0), partial: NONE });

const MAX_WHOLE_BYTES = limits.maxPiecesPerPack / 8;

/** Of a full pack, all of it: what members say of most packs, kept once for all of them. */
const fullPieceSet: PieceSet = Object.freeze({ whole: new Uint8Array(MAX_WHOLE_BYTES).fill(0xff), partial: NONE });

export function pieceSetOf(masks: PieceMasks, shape: PackShape): PieceSet {
  const whole = new Uint8Array(MAX_WHOLE_BYTES);
  const partial: { piece: number; mask: number }[] = [];
  let length = 0;
  for (let piece = 0; piece < masks.length; piece += 1) {
    const mask = masks[piece] ?? 0;
    if (mask === 0) continue;
    if (mask === fullMask(shape, piece)) {
      whole[piece >> 3] = (whole[piece >> 3] ?? 0) | (1 << (piece & 7));
      length = (piece >> 3) + 1;
    } else partial.push({ piece, mask });
  }
  return { whole: whole.slice(0, length), partial };
}

/** Pieces and chunks that the pack does not have are left out: the set is what a stranger says. */
export function masksFrom(set: PieceSet, shape: PackShape): PieceMasks {
  const masks = new Uint16Array(shape.pieceCount);
  for (let piece = 0; piece < masks.length; piece += 1) {
    if (isWhole(set, piece)) masks[piece] = fullMask(shape, piece);
  }
  for (const { piece, mask } of set.partial) {
    if (piece < masks.length) masks[piece] = mask & fullMask(shape, piece);
  }
  return masks;
}

/** The pieces in which two sets differ, with what the second holds of each. */
export function changedPieces(before: PieceSet, after: PieceSet, shape: PackShape): PieceMask[] {
  const changed = new Set<number>();
  for (let at = 0; at < MAX_WHOLE_BYTES; at += 1) {
    let bits = (before.whole[at] ?? 0) ^ (after.whole[at] ?? 0);
    for (let piece = at * 8; bits !== 0; piece += 1, bits >>= 1) if ((bits & 1) === 1) changed.add(piece);
  }
  const partial = new Map<number, number>();
  for (const { piece } of before.partial) changed.add(piece);
  for (const { piece, mask } of after.partial) {
    partial.set(piece, mask);
    changed.add(piece);
  }
  const pieces: PieceMask[] = [];
  for (const piece of changed) {
    if (piece >= shape.pieceCount) continue;
    const full = fullMask(shape, piece);
    pieces.push({ piece, mask: isWhole(after, piece) ? full : (partial.get(piece) ?? 0) & full });
  }
  return pieces;
}

export function isEmptyPieceSet(set: PieceSet): boolean {
  return set.whole.length === 0 && set.partial.length === 0;
}

export function writePieceSet(writer: ByteWriter, set: PieceSet): void {
  writer.u8(set.whole.length);
  writer.raw(set.whole);
  writer.varint(set.partial.length);
  for (const { piece, mask } of set.partial) {
    writer.u8(piece);
    writer.u16(mask);
  }
}

/** Copies: the set does not keep the message alive. */
export function readPieceSet(reader: ByteReader): PieceSet {
  const length = reader.u8();
  if (length > MAX_WHOLE_BYTES) throw reader.malformed(`has a have-map of ${length} bytes`);
  const whole = new Uint8Array(reader.view(length));
  if (length > 0 && whole[length - 1] === 0) throw reader.malformed('has a have-map that is longer than it must be');
  const count = reader.count('partial pieces', limits.maxPiecesPerPack, 3);
  const partial: { piece: number; mask: number }[] = [];
  let last = -1;
  for (let i = 0; i < count; i += 1) {
    const piece = reader.u8();
    const mask = reader.u16();
    if (piece <= last) throw reader.malformed('has partial pieces out of order');
    if (mask === 0 || mask === 0xffff || isWhole({ whole }, piece)) {
      throw reader.malformed('has a partial piece that is not partial');
    }
    last = piece;
    partial.push({ piece, mask });
  }
  if (count > 0) return { whole, partial };
  return Buffer.compare(whole, fullPieceSet.whole) === 0 ? fullPieceSet : { whole, partial: NONE };
}

function isWhole(set: Pick<PieceSet, 'whole'>, piece: number): boolean {
  return (((set.whole[piece >> 3] ?? 0) >> (piece & 7)) & 1) === 1;
}
