import type { Domain, PackId } from './ids.ts';
import { limits } from './limits.ts';

/**
 * What a pack is made of: the digest and length of each chunk, in order. Immutable; named by the BLAKE3 of its canonical bytes
 * (`encodePackDescriptor`). Holding a descriptor says nothing about holding the chunks.
 */
export interface PackDescriptor {
  readonly id: PackId;
  readonly domain: Domain;
  /** 1 to 4,096. */
  readonly chunkCount: number;
  /** chunkCount × 32 bytes. */
  readonly digests: Uint8Array;
  /** chunkCount + 1 entries: chunk `i` lies at bytes offsets[i] to offsets[i + 1] of the pack. */
  readonly offsets: Uint32Array;
  /** 4, 8 or 16: as few as keep the pack within 256 pieces. Follows from chunkCount. */
  readonly chunksPerPiece: number;
  /** 1 to 256. */
  readonly pieceCount: number;
}

/** 4, 8 or 16: small packs get fine pieces because they must still spread over many peers. */
export function chunksPerPieceFor(chunkCount: number): number {
  if (chunkCount <= 4 * limits.maxPiecesPerPack) return 4;
  return chunkCount <= 8 * limits.maxPiecesPerPack ? 8 : 16;
}

/** The bytes of the whole pack, plain. */
export function packBytes(descriptor: PackDescriptor): number {
  return descriptor.offsets[descriptor.chunkCount] ?? 0;
}

export function chunkDigest(descriptor: PackDescriptor, chunk: number): Uint8Array {
  return descriptor.digests.subarray(chunk * limits.digestBytes, (chunk + 1) * limits.digestBytes);
}

export function chunkOffset(descriptor: PackDescriptor, chunk: number): number {
  return descriptor.offsets[chunk] ?? 0;
}

export function chunkLength(descriptor: PackDescriptor, chunk: number): number {
  return (descriptor.offsets[chunk + 1] ?? 0) - (descriptor.offsets[chunk] ?? 0);
}

/** First chunk and number of chunks of a piece; the last piece may be short. */
export function pieceChunks(
  descriptor: PackDescriptor,
  piece: number,
): { readonly first: number; readonly count: number } {
  const first = piece * descriptor.chunksPerPiece;
  return { first, count: Math.min(descriptor.chunksPerPiece, descriptor.chunkCount - first) };
}

/** The mask in which every chunk of the piece is set. */
export function fullPieceMask(descriptor: PackDescriptor, piece: number): number {
  return (1 << pieceChunks(descriptor, piece).count) - 1;
}

/** Plain bytes of the masked chunks of a piece. */
export function maskedBytes(descriptor: PackDescriptor, piece: number, mask: number): number {
  const { first, count } = pieceChunks(descriptor, piece);
  let bytes = 0;
  for (let i = 0; i < count; i += 1) if ((mask >> i) & 1) bytes += chunkLength(descriptor, first + i);
  return bytes;
}
