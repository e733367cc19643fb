import { ContentError } from './content-error.ts';
import { digestEquals, digestOf } from './digest.ts';
import { chunkDigest, chunkLength, fullPieceMask, maskedBytes, pieceChunks } from './pack-descriptor.ts';
import { decodePiece } from './piece-encoding.ts';
import type { PackDescriptor } from './pack-descriptor.ts';

declare const verified: unique symbol;

/**
 * Chunks of one piece whose bytes have the digests that the descriptor names. The only way to make one is to hash
 * (`verifyPiece`), or to have just hashed (`sealPiece`): a store takes nothing else, so bytes of strangers become ours here.
 */
export interface VerifiedPiece {
  readonly descriptor: PackDescriptor;
  readonly piece: number;
  /** Which of the piece's chunks `bytes` holds; bit 0 is its first chunk. Never 0. */
  readonly mask: number;
  /** The masked chunks, plain, one after another in ascending order. */
  readonly bytes: Uint8Array;
  /** The zstd frame that `bytes` came out of, where it holds the whole piece: a store may keep it instead, and send it on as it is. */
  readonly frame: Uint8Array | undefined;
  readonly [verified]: true;
}

/**
 * Hashes every masked chunk of `bytes`.
 * @throws ContentError CONTENT_MALFORMED if the length or mask does not fit, CONTENT_DIGEST_MISMATCH naming the first bad chunk
 */
export function verifyPiece(descriptor: PackDescriptor, piece: number, mask: number, bytes: Uint8Array): VerifiedPiece {
  checkShape(descriptor, piece, mask, bytes);
  const { first, count } = pieceChunks(descriptor, piece);
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    if (((mask >> i) & 1) === 0) continue;
    const length = chunkLength(descriptor, first + i);
    if (!digestEquals(digestOf(bytes.subarray(at, at + length)), chunkDigest(descriptor, first + i))) {
      throw new ContentError(
        'CONTENT_DIGEST_MISMATCH',
        `chunk ${first + i} of pack ${descriptor.id} does not have its digest`,
        {
          details: { pack: descriptor.id, piece, chunk: first + i },
        },
      );
    }
    at += length;
  }
  return { descriptor, piece, mask, bytes, frame: undefined } as VerifiedPiece;
}

/**
 * Decodes the frame of a whole piece, never to more bytes than the piece has, and hashes every chunk.
 * @throws ContentError CONTENT_MALFORMED, CONTENT_DIGEST_MISMATCH
 */
export function verifyFrame(descriptor: PackDescriptor, piece: number, frame: Uint8Array): VerifiedPiece {
  checkPiece(descriptor, piece);
  const mask = fullPieceMask(descriptor, piece);
  const bytes = decodePiece(frame, maskedBytes(descriptor, piece, mask));
  return { ...verifyPiece(descriptor, piece, mask, bytes), frame };
}

/** For ingest alone, which made the descriptor out of the digests of these very bytes a moment ago. Checks the shape, does not hash again. */
export function sealPiece(descriptor: PackDescriptor, piece: number, bytes: Uint8Array): VerifiedPiece {
  const mask = piece >= 0 && piece < descriptor.pieceCount ? fullPieceMask(descriptor, piece) : 0;
  checkShape(descriptor, piece, mask, bytes);
  return { descriptor, piece, mask, bytes, frame: undefined } as VerifiedPiece;
}

function checkPiece(descriptor: PackDescriptor, piece: number): void {
  if (Number.isInteger(piece) && piece >= 0 && piece < descriptor.pieceCount) return;
  throw new ContentError('CONTENT_MALFORMED', `pack ${descriptor.id} has no piece ${piece}`, {
    details: { pack: descriptor.id, piece },
  });
}

function checkShape(descriptor: PackDescriptor, piece: number, mask: number, bytes: Uint8Array): void {
  const details = { pack: descriptor.id, piece, mask, bytes: bytes.length };
  checkPiece(descriptor, piece);
  // Compared as a number: bitwise operators would forget what is above bit 31.
  if (!Number.isInteger(mask) || mask <= 0 || mask > fullPieceMask(descriptor, piece)) {
    throw new ContentError('CONTENT_MALFORMED', `mask ${mask} does not fit piece ${piece} of pack ${descriptor.id}`, {
      details,
    });
  }
  const expected = maskedBytes(descriptor, piece, mask);
  if (bytes.length !== expected) {
    throw new ContentError(
      'CONTENT_MALFORMED',
      `piece ${piece} of pack ${descriptor.id} has ${bytes.length} bytes instead of ${expected}`,
      { details },
    );
  }
}
