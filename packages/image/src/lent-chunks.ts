import {
  chunkDigest,
  chunkLength,
  limits,
  maskedBytes,
  fullPieceMask,
  pieceChunks,
  chunkOffset,
} from '@quarry/content';
import type { LentPart, PackDescriptor, PackStore } from '@quarry/content';
import type { ImageStep, StepPart } from './image-steps.ts';
import type { Compute } from './threads/compute.ts';
import type { CopyPart } from './threads/copy-chunks.ts';

/**
 * Copies a step from the store's file into the image's on another thread, every chunk hashed: the calling thread sees none of its bytes. False where it could not,
 * whatever the reason; a part of it may have been written then.
 */
export async function copyLent(
  deps: { readonly store: Pick<PackStore, 'lendChunks'>; readonly compute: Pick<Compute, 'copy'> },
  step: ImageStep,
  to: number,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const { store, compute } = deps;
  const copyPart = async (part: StepPart): Promise<boolean> => {
    const { descriptor, firstChunk, count } = part;
    const copied = await store.lendChunks?.(
      descriptor.id,
      firstChunk,
      count,
      ({ fd, parts }) => {
        const offset = step.offset + part.at - chunkOffset(descriptor, firstChunk);
        return compute.copy({ from: fd, to, parts: parts.map((lent) => copyPartOf(descriptor, lent, offset)) });
      },
      options,
    );
    return copied ?? false;
  };
  const results = await Promise.allSettled(step.parts.map(copyPart));
  return results.every((result) => result.status === 'fulfilled' && result.value);
}

/** `offset` is where the pack's first byte would go. */
function copyPartOf(descriptor: PackDescriptor, lent: LentPart, offset: number): CopyPart {
  const { firstChunk, count, position, frameBytes } = lent;
  const digests = new Uint8Array(count * limits.digestBytes);
  const lengths = Array.from({ length: count }, (_, i) => {
    digests.set(chunkDigest(descriptor, firstChunk + i), i * limits.digestBytes);
    return chunkLength(descriptor, firstChunk + i);
  });
  const start = chunkOffset(descriptor, firstChunk);
  const shared = { position, frameBytes, lengths, digests, offset: offset + start };
  if (frameBytes === 0) return { ...shared, plainBytes: 0, skippedBytes: 0 };
  const piece = Math.floor(firstChunk / descriptor.chunksPerPiece);
  const plainBytes = maskedBytes(descriptor, piece, fullPieceMask(descriptor, piece));
  return { ...shared, plainBytes, skippedBytes: start - chunkOffset(descriptor, pieceChunks(descriptor, piece).first) };
}
