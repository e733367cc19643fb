import { ContentError } from './content-error.ts';
import { limits } from './limits.ts';

/**
 * A set of chunks of one pack: one bit per chunk, chunk 0 in the lowest bit of the first byte, ceil(chunkCount / 8) bytes.
 * Presence, need and announcement all use it. A piece is present when all its chunks are; its have-map is derived, never stored.
 */
export interface ChunkSet {
  readonly chunkCount: number;
  readonly bits: Uint8Array;
}

export function createChunkSet(chunkCount: number): ChunkSet {
  if (!Number.isInteger(chunkCount) || chunkCount < 1 || chunkCount > limits.maxChunksPerPack) {
    throw new TypeError(`a pack has 1 to ${limits.maxChunksPerPack} chunks, not ${chunkCount}`);
  }
  return { chunkCount, bits: new Uint8Array((chunkCount + 7) >> 3) };
}

export function fullChunkSet(chunkCount: number): ChunkSet {
  const set = createChunkSet(chunkCount);
  addRun(set, 0, chunkCount);
  return set;
}

/**
 * A set that another node or the disk gave, copied; `encoded` has to be exactly the bits of so many chunks.
 * @throws ContentError CONTENT_MALFORMED for another length, or a bit after the last chunk
 */
export function chunkSetFrom(chunkCount: number, encoded: Uint8Array): ChunkSet {
  const set = createChunkSet(chunkCount);
  const usedBits = chunkCount & 7 || 8;
  if (encoded.length !== set.bits.length || (encoded[encoded.length - 1] ?? 0) >> usedBits !== 0) {
    throw new ContentError('CONTENT_MALFORMED', `${encoded.length} bytes are not a set of ${chunkCount} chunks`, {
      details: { chunkCount, bytes: encoded.length },
    });
  }
  set.bits.set(encoded);
  return set;
}

export function copyChunkSet(set: ChunkSet): ChunkSet {
  return { chunkCount: set.chunkCount, bits: new Uint8Array(set.bits) };
}

export function hasChunk(set: ChunkSet, chunk: number): boolean {
  return (((set.bits[chunk >> 3] ?? 0) >> (chunk & 7)) & 1) === 1;
}

export function addChunk(set: ChunkSet, chunk: number): void {
  set.bits[chunk >> 3] = (set.bits[chunk >> 3] ?? 0) | (1 << (chunk & 7));
}

export function removeChunk(set: ChunkSet, chunk: number): void {
  set.bits[chunk >> 3] = (set.bits[chunk >> 3] ?? 0) & ~(1 << (chunk & 7));
}

/** Whole bytes at a time: a manifest may name millions of runs of a whole pack. */
export function addRun(set: ChunkSet, first: number, count: number): void {
  const end = first + count;
  let chunk = first;
  for (; chunk < end && (chunk & 7) !== 0; chunk += 1) addChunk(set, chunk);
  if (chunk < end) set.bits.fill(0xff, chunk >> 3, end >> 3);
  for (chunk = Math.max(chunk, end & ~7); chunk < end; chunk += 1) addChunk(set, chunk);
}

/** Adds every chunk of `other` to `set`. */
export function addAll(set: ChunkSet, other: ChunkSet): void {
  for (let i = 0; i < set.bits.length; i += 1) set.bits[i] = (set.bits[i] ?? 0) | (other.bits[i] ?? 0);
}

/** What is in `set` and not in `other`. */
export function minus(set: ChunkSet, other: ChunkSet): ChunkSet {
  const bits = new Uint8Array(set.bits);
  for (let i = 0; i < bits.length; i += 1) bits[i] = (bits[i] ?? 0) & ~(other.bits[i] ?? 0);
  return { chunkCount: set.chunkCount, bits };
}

export function countChunks(set: ChunkSet): number {
  let count = 0;
  for (const byte of set.bits) count += popCount(byte);
  return count;
}

export function isEmpty(set: ChunkSet): boolean {
  return set.bits.every((byte) => byte === 0);
}

/** Chunks of `set` in ascending order. */
export function* chunksOf(set: ChunkSet): Generator<number> {
  for (let i = 0; i < set.bits.length; i += 1) {
    const byte = set.bits[i] ?? 0;
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit += 1) if ((byte >> bit) & 1) yield i * 8 + bit;
  }
}

/**
 * The chunks of piece `piece` as a mask, its first chunk in the lowest bit (16 bits at most).
 * `chunksPerPiece` is 4, 8 or 16, so a piece never straddles more than two bytes.
 */
export function pieceMask(set: ChunkSet, piece: number, chunksPerPiece: number): number {
  const first = piece * chunksPerPiece;
  const two = (set.bits[first >> 3] ?? 0) | ((set.bits[(first >> 3) + 1] ?? 0) << 8);
  return (two >> (first & 7)) & ((1 << chunksPerPiece) - 1);
}

export function addPieceMask(set: ChunkSet, piece: number, chunksPerPiece: number, mask: number): void {
  for (let i = 0; i < chunksPerPiece; i += 1) if ((mask >> i) & 1) addChunk(set, piece * chunksPerPiece + i);
}

function popCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
