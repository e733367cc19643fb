import { verifyFrame, verifyPiece } from '@quarry/content';
import type { Encoding, PackDescriptor, VerifiedPiece } from '@quarry/content';
import { isCodedError } from '@quarry/runtime';
import { fullMask } from '../scheduler/piece-masks.ts';
import { SwarmError } from '../swarm-error.ts';

/** Bytes of a stranger become ours here. Only whole pieces have a frame. */
export function verified(
  descriptor: PackDescriptor,
  answer: { readonly piece: number; readonly mask: number; readonly encoding: Encoding; readonly body: Uint8Array },
): VerifiedPiece {
  const { piece, mask, encoding, body } = answer;
  if (encoding === 'plain') return verifyPiece(descriptor, piece, mask, body);
  if (mask === fullMask(descriptor, piece)) return verifyFrame(descriptor, piece, body);
  throw new SwarmError('SWARM_BAD_MESSAGE', 'the peer sent a frame of a part of a piece', {
    details: { pack: descriptor.id, piece, mask },
  });
}

/** What a disk can do to the bytes of an honest node that sends them as they are kept. */
export function isDamage(error: unknown): boolean {
  return isCodedError(error) && error.code === 'CONTENT_DIGEST_MISMATCH';
}

/** Bytes that no honest node sends. Everything else may be a broken connection. */
export function isLie(error: unknown): boolean {
  if (!isCodedError(error)) return false;
  return ['SWARM_BAD_MESSAGE', 'SWARM_TOO_LARGE', 'CONTENT_DIGEST_MISMATCH', 'CONTENT_MALFORMED'].includes(error.code);
}
