import { addPieceMask, chunksOf, createChunkSet, hasChunk, pieceMask, removeChunk } from '../chunk-set.ts';
import type { ChunkSet } from '../chunk-set.ts';
import { digestEquals, digestOf } from '../digest.ts';
import { chunkDigest, chunkLength, chunkOffset, fullPieceMask, maskedBytes, pieceChunks } from '../pack-descriptor.ts';
import type { PackDescriptor } from '../pack-descriptor.ts';
import { decodePiece } from '../piece-encoding.ts';
import type { StoredPiece } from '../ports/pack-store.ts';
import type { VerifiedPiece } from '../verified-piece.ts';
import { MemoryStoreError } from './memory-store-error.ts';

/** One pack of a memory store: for each piece its chunks, or the frame of all of them. */
export interface MemoryPack {
  readonly descriptor: PackDescriptor;
  readonly present: ChunkSet;
  readonly presentBytes: number;
  readonly storedBytes: number;
  /** Position in the order of use; the smallest is evicted first. */
  usedAt: number;
  /** Returns the chunks that became present. */
  write(piece: Pick<VerifiedPiece, 'piece' | 'mask' | 'bytes' | 'frame'>): number;
  /** The chunks one after another into `into`. @throws MemoryStoreError STORE_CHUNK_ABSENT */
  read(chunks: readonly number[], into: Uint8Array): void;
  /** A whole piece as it is kept; not a copy. @throws MemoryStoreError STORE_CHUNK_ABSENT */
  readStored(piece: number): StoredPiece;
  /** With a chunk of a frame goes its piece; returns how many chunks went. */
  drop(chunks: Iterable<number>): number;
  /** Present chunks that do not have their digests. */
  badChunks(): number[];
}

export function createMemoryPack(descriptor: PackDescriptor, usedAt: number): MemoryPack {
  const present = createChunkSet(descriptor.chunkCount);
  const chunks: (Uint8Array | undefined)[] = [];
  const frames: (Uint8Array | undefined)[] = [];
  let presentBytes = 0;
  let storedBytes = 0;

  const pieceOf = (chunk: number): number => Math.floor(chunk / descriptor.chunksPerPiece);
  const plainBytes = (piece: number): number => maskedBytes(descriptor, piece, fullPieceMask(descriptor, piece));
  const checkPresent = (chunk: number): void => {
    if (hasChunk(present, chunk)) return;
    throw new MemoryStoreError('STORE_CHUNK_ABSENT', `chunk ${chunk} of pack ${descriptor.id} is not here: fetch it`, {
      details: { pack: descriptor.id, chunk },
    });
  };
  const dropFrame = (piece: number, frame: Uint8Array): number => {
    const { first, count } = pieceChunks(descriptor, piece);
    for (let chunk = first; chunk < first + count; chunk += 1) removeChunk(present, chunk);
    frames[piece] = undefined;
    presentBytes -= plainBytes(piece);
    storedBytes -= frame.length;
    return count;
  };
  const dropChunk = (chunk: number): number => {
    removeChunk(present, chunk);
    chunks[chunk] = undefined;
    presentBytes -= chunkLength(descriptor, chunk);
    storedBytes -= chunkLength(descriptor, chunk);
    return 1;
  };
  const read: MemoryPack['read'] = (wanted, into) => {
    for (const chunk of wanted) checkPresent(chunk);
    let decoded: { readonly piece: number; readonly plain: Uint8Array } | undefined;
    let at = 0;
    for (const chunk of wanted) {
      const piece = pieceOf(chunk);
      const frame = frames[piece];
      if (frame && decoded?.piece !== piece) decoded = { piece, plain: decodePiece(frame, plainBytes(piece)) };
      const start = chunkOffset(descriptor, chunk) - chunkOffset(descriptor, pieceChunks(descriptor, piece).first);
      const length = chunkLength(descriptor, chunk);
      const bytes = frame && decoded ? decoded.plain.subarray(start, start + length) : chunks[chunk];
      if (bytes) into.set(bytes, at);
      at += length;
    }
  };
  const isBad = (chunk: number): boolean => {
    const bytes = new Uint8Array(chunkLength(descriptor, chunk));
    read([chunk], bytes);
    return !digestEquals(digestOf(bytes), chunkDigest(descriptor, chunk));
  };

  return {
    descriptor,
    present,
    usedAt,
    get presentBytes() {
      return presentBytes;
    },
    get storedBytes() {
      return storedBytes;
    },
    write({ piece, mask, bytes, frame }) {
      const { first, count } = pieceChunks(descriptor, piece);
      const added = mask & ~pieceMask(present, piece, descriptor.chunksPerPiece);
      if (added === 0) return 0;
      const isFrame = frame !== undefined && added === fullPieceMask(descriptor, piece);
      if (isFrame) frames[piece] = new Uint8Array(frame);
      let at = 0;
      for (let i = 0; i < count; i += 1) {
        if (((mask >> i) & 1) === 0) continue;
        const length = chunkLength(descriptor, first + i);
        // a Buffer's slice would be no copy
        if (!isFrame && (added >> i) & 1) chunks[first + i] = new Uint8Array(bytes.subarray(at, at + length));
        at += length;
      }
      addPieceMask(present, piece, descriptor.chunksPerPiece, added);
      presentBytes += maskedBytes(descriptor, piece, added);
      storedBytes += isFrame ? frame.length : maskedBytes(descriptor, piece, added);
      return added;
    },
    read,
    readStored(piece) {
      const { first, count } = pieceChunks(descriptor, piece);
      for (let chunk = first; chunk < first + count; chunk += 1) checkPresent(chunk);
      const frame = frames[piece];
      if (frame) return { encoding: 'zstd', bytes: frame };
      return { encoding: 'plain', bytes: Buffer.concat(chunks.slice(first, first + count).filter((each) => !!each)) };
    },
    drop(dropped) {
      let count = 0;
      for (const chunk of dropped) {
        if (!hasChunk(present, chunk)) continue;
        const frame = frames[pieceOf(chunk)];
        count += frame ? dropFrame(pieceOf(chunk), frame) : dropChunk(chunk);
      }
      return count;
    },
    badChunks: () => [...chunksOf(present)].filter(isBad),
  };
}
