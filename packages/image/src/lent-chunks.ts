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
export function copyLent(
  deps: { readonly store: Pick<PackStore, 'lendChunks'>; readonly compute: Pick<Compute, 'copy'> },
  step: ImageStep,
  to: number,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const copy = (from: number, parts: readonly CopyPart[]): Promise<boolean | undefined> =>
    deps.compute.copy({ from, to, parts });
  return eachLent(deps.store, step, step.offset, copy, options);
}

/** Reads a step into shared memory (exactly step.length bytes) on another thread, likewise. */
export function readLent(
  deps: { readonly store: Pick<PackStore, 'lendChunks'>; readonly compute: Pick<Compute, 'read'> },
  step: ImageStep,
  into: Uint8Array,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const read = (from: number, parts: readonly CopyPart[]): Promise<boolean | undefined> =>
    deps.compute.read({ from, into, parts });
  return eachLent(deps.store, step, 0, read, options);
}

/** `start` is where the step goes. */
async function eachLent(
  store: Pick<PackStore, 'lendChunks'>,
  step: ImageStep,
  start: number,
  take: (from: number, parts: readonly CopyPart[]) => Promise<boolean | undefined>,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const takePart = async (part: StepPart): Promise<boolean> => {
    const { descriptor, firstChunk, count } = part;
    const copied = await store.lendChunks?.(
      descriptor.id,
      firstChunk,
      count,
      ({ fd, parts }) => {
        const offset = start + part.at - chunkOffset(descriptor, firstChunk);
        return take(
          fd,
          parts.map((lent) => copyPartOf(descriptor, lent, offset)),
        );
      },
      options,
    );
    return copied ?? false;
  };
  const results = await Promise.allSettled(step.parts.map(takePart));
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
