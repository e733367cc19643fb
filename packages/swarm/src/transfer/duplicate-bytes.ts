import { maskedBytes } from '@quarry/content';
import type { PackStore, VerifiedPiece } from '@quarry/content';

/** Bytes of the piece that the store has already. */
export function duplicateBytesOf(store: PackStore, { descriptor, piece, mask }: VerifiedPiece): number {
  const present = store.present(descriptor.id);
  if (!present) return 0;
  const { chunksPerPiece } = descriptor;
  let duplicate = 0;
  for (let i = 0; i < chunksPerPiece; i += 1) {
    const chunk = piece * chunksPerPiece + i;
    if ((mask >> i) & 1 && ((present.bits[chunk >> 3] ?? 0) >> (chunk & 7)) & 1) duplicate |= 1 << i;
  }
  return duplicate === 0 ? 0 : maskedBytes(descriptor, piece, duplicate);
}
