import { publicDomain } from './ids.ts';
import type { Domain, PackId } from './ids.ts';
import { limits } from './limits.ts';

/**
 * What a pack is made of: the digest and length of each chunk, in order. Immutable; named by its canonical bytes (`encodePackDescriptor`): a public
 * pack by their BLAKE3, a project's by the locator derived from it. Holding a descriptor says nothing about holding the chunks.
 */
export interface PackDescriptor {
  readonly id: PackId;
  readonly domain: Domain;
  /** Makes the id of a project's pack unguessable; undefined for a public pack, and for a project's of an older build. 32 bytes. */
  readonly salt: Uint8Array | undefined;
  /** Who knows it may have the pack (FORMAT.md, "Private packs"); undefined where `salt` is. 32 bytes. */
  readonly secret: Uint8Array | undefined;
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

/**
 * Who may have a pack from a node: everybody; who proves that they know its secret; or nobody: a project's pack of an older build has no secret, and its
 * id, which was announced in the open, proves nothing.
 */
export type PackAccess =
  | { readonly kind: 'open' }
  | { readonly kind: 'secret'; readonly secret: Uint8Array }
  | { readonly kind: 'closed' };

const OPEN: PackAccess = Object.freeze({ kind: 'open' });
const CLOSED: PackAccess = Object.freeze({ kind: 'closed' });

export function packAccess({ domain, secret }: Pick<PackDescriptor, 'domain' | 'secret'>): PackAccess {
  if (secret) return { kind: 'secret', secret };
  return domain === publicDomain ? OPEN : CLOSED;
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
