import { chunksPerPieceFor, pieceMask } from '@quarry/content';
import type { ChunkSet } from '@quarry/content';

/**
 * A set of chunks of one pack as the schedulers use it: one 16-bit mask per piece, its first chunk in the lowest bit. Every decision is about
 * one piece, so the masks of a piece must be one load away; a ChunkSet packs them tighter and is what stores keep.
 */
export type PieceMasks = Uint16Array;

export function emptyMasks(pieceCount: number): PieceMasks {
  return new Uint16Array(pieceCount);
}

/** How a pack divides into pieces; follows from the number of its chunks alone, so that a set of chunks can be read without its descriptor. */
export interface PackShape {
  readonly chunkCount: number;
  readonly chunksPerPiece: number;
  readonly pieceCount: number;
}

export function shapeFor(chunkCount: number): PackShape {
  const chunksPerPiece = chunksPerPieceFor(chunkCount);
  return { chunkCount, chunksPerPiece, pieceCount: Math.ceil(chunkCount / chunksPerPiece) };
}

/** The mask in which every chunk of the piece is set. */
export function fullMask(shape: PackShape, piece: number): number {
  return (1 << Math.min(shape.chunksPerPiece, shape.chunkCount - piece * shape.chunksPerPiece)) - 1;
}

export function fullMasks(shape: PackShape): PieceMasks {
  const masks = new Uint16Array(shape.pieceCount);
  for (let piece = 0; piece < masks.length; piece += 1) masks[piece] = fullMask(shape, piece);
  return masks;
}

export function masksOf(set: ChunkSet): PieceMasks {
  const { chunksPerPiece, pieceCount } = shapeFor(set.chunkCount);
  const masks = new Uint16Array(pieceCount);
  for (let piece = 0; piece < masks.length; piece += 1) masks[piece] = pieceMask(set, piece, chunksPerPiece);
  return masks;
}

export function isEmptyMasks(masks: PieceMasks): boolean {
  for (const mask of masks) if (mask !== 0) return false;
  return true;
}

/** How many chunks the masks hold. */
export function countMasked(masks: PieceMasks): number {
  let count = 0;
  for (const mask of masks) count += bitCount(mask);
  return count;
}

/** Set bits of a 16-bit mask. */
export function bitCount(mask: number): number {
  let pairs = mask - ((mask >> 1) & 0x5555);
  pairs = (pairs & 0x3333) + ((pairs >> 2) & 0x3333);
  return ((((pairs + (pairs >> 4)) & 0x0f0f) * 0x0101) >> 8) & 0x1f;
}
