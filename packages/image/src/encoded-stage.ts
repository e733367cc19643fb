import { chunksPerPieceFor } from '@quarry/content';
import type { PackStage } from '@quarry/content';
import { imageDefaults } from './options.ts';
import type { Compute } from './threads/compute.ts';
import { freeBytes } from './threads/free-bytes.ts';

/** Consecutive chunks of a pack that were compressed together. */
export interface EncodedChunks {
  /** Of each chunk. */
  readonly lengths: readonly number[];
  /** All of them, plain. */
  readonly plain: readonly Uint8Array[];
  /** All of them as a frame, unless that saves too little. */
  readonly frame: Uint8Array | undefined;
}

/**
 * Stages a pack whose chunks come compressed in groups of as many as a piece has in a full pack. How many a piece has in the end is known with the last chunk
 * only, and most of what is ingested ends in a small pack with smaller pieces: so groups are held until the pack has grown out of that, or is too much to
 * hold; if it ends before, they are compressed anew in groups that are pieces.
 */
export interface EncodedStage {
  /** One after another. Resolves when the plain bytes may be changed. */
  put(chunks: EncodedChunks): Promise<void>;
  /** Stages what is still held: there are no more chunks. */
  end(): Promise<void>;
}

export interface StagedSums {
  encodedPieces: number;
  storedBytes: number;
}

export function createEncodedStage(
  deps: { readonly stage: PackStage; readonly compute: Pick<Compute, 'encodeAgain'>; readonly sums: StagedSums },
  options: {
    /** Chunks per group. */
    readonly groupChunks: number;
    /** Whether pieces will have as many, whatever follows. */
    readonly isCertain: boolean;
    readonly signal?: AbortSignal | undefined;
  },
): EncodedStage {
  const { stage, compute, sums } = deps;
  const { groupChunks, signal } = options;
  let held: EncodedChunks[] | undefined = options.isCertain ? undefined : [];
  let heldBytes = 0;
  let chunkCount = 0;

  const append = async ({ lengths, plain, frame }: EncodedChunks): Promise<void> => {
    const plainBytes = sumOf(lengths);
    sums.storedBytes += frame?.length ?? plainBytes;
    if (frame) {
      sums.encodedPieces += 1;
      await stage.appendFrame(frame, plainBytes, { signal });
      return freeBytes(frame);
    }
    const parts = plain.flatMap((view) => partsOf(view, imageDefaults.writeBytes));
    await Promise.all(parts.map((part) => stage.append([part], { signal })));
  };
  const release = async (): Promise<void> => {
    const waiting = held ?? [];
    held = undefined;
    for (const chunks of waiting) await append(chunks);
  };
  const regrouped = async (chunks: EncodedChunks, pieceChunks: number): Promise<readonly EncodedChunks[]> => {
    const { lengths, frame } = chunks;
    if (!frame) return [chunks];
    const groups = Array.from({ length: Math.ceil(lengths.length / pieceChunks) }, (_, i) =>
      lengths.slice(i * pieceChunks, (i + 1) * pieceChunks),
    );
    const pieces = await compute.encodeAgain(frame, groups.map(sumOf));
    return groups.map((group, i) => {
      const { bytes, isFrame } = pieces[i] as (typeof pieces)[number];
      return { lengths: group, plain: [bytes], frame: isFrame ? bytes : undefined };
    });
  };
  return {
    async put(chunks) {
      chunkCount += chunks.lengths.length;
      if (held) {
        const kept = chunks.frame ? { ...chunks, plain: [] } : { ...chunks, plain: [Buffer.concat(chunks.plain)] };
        held.push(kept);
        heldBytes += chunks.frame?.length ?? sumOf(chunks.lengths);
        if (chunksPerPieceFor(chunkCount) === groupChunks || heldBytes > imageDefaults.maxHeldBytes) await release();
      } else await append(chunks);
    },
    async end() {
      const pieceChunks = chunksPerPieceFor(chunkCount);
      if (!held || pieceChunks === groupChunks) return release();
      const regrouping = held.map((chunks) => regrouped(chunks, pieceChunks));
      held = undefined;
      for (const pieces of regrouping) pieces.catch(() => {}); // seen in turn
      for (const pieces of regrouping) for (const piece of await pieces) await append(piece);
    },
  };
}

function sumOf(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}

function partsOf(view: Uint8Array, maxBytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(view.length / maxBytes) }, (_, i) =>
    view.subarray(i * maxBytes, (i + 1) * maxBytes),
  );
}
