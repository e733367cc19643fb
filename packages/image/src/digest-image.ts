import { chooseCutter, createCutter } from '@quarry/content';
import type { Cutter, CutterSpec } from '@quarry/content';
import { createBufferPool } from '@quarry/runtime';
import { imageDefaults } from './options.ts';
import { sourceBlocks } from './source-blocks.ts';
import type { SourceBytes } from './source-blocks.ts';
import type { Compute } from './threads/compute.ts';

/** Chunks that follow each other in the image. The bytes are theirs only until the call that they were handed to has resolved. */
export interface DigestedBatch {
  readonly chunks: readonly Uint8Array[];
  /** 32 bytes for each, all zero for a chunk of zeros. */
  readonly digests: Uint8Array;
}

export interface DigestedImage {
  readonly imageBytes: number;
  readonly cutter: CutterSpec['name'];
}

const BATCHES_UNDER_WAY = 2;
const MAX_FREE_BLOCKS = 16;

/**
 * Cuts and hashes an image just as an ingest does, and keeps nothing: for whoever wants to know what an ingest would find. `onBatch` is called in the image's
 * order, with some 4 MiB each, one call after another.
 * @throws ImageError IMAGE_SOURCE_FAILED, IMAGE_THREAD_FAILED; what `onBatch` rejects with; the signal's reason
 */
export async function digestImage(
  { compute }: { readonly compute: Compute },
  source: SourceBytes & { readonly imageBytes: number },
  onBatch: (batch: DigestedBatch) => Promise<void> | void,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<DigestedImage> {
  const pool = createBufferPool({ bufferBytes: imageDefaults.blockBytes, maxFree: MAX_FREE_BLOCKS, isShared: true });
  let cutter: CutterSpec | undefined;
  let cut: Cutter | undefined;
  let imageBytes = 0;
  let chunks: Uint8Array[] = [];
  let blocks: Uint8Array[] = [];
  let batchBytes = 0;
  /** Resolves when the batch before is through; batches are handed over in order, whichever is hashed first. */
  let last: Promise<void> = Promise.resolve();
  const underWay: Promise<void>[] = [];
  const endBatch = async (): Promise<void> => {
    const [mine, used, before] = [chunks, blocks, last];
    [chunks, blocks, batchBytes] = [[], [], 0];
    const hashing = compute.digests(mine);
    const handing = (async () => {
      const [digests] = await Promise.all([hashing, before]);
      await onBatch({ chunks: mine, digests });
      for (const block of used) {
        pool.give(block); // each takes what is its own
        source.pool?.give(block);
      }
    })();
    handing.catch(() => {}); // seen below
    last = handing;
    underWay.push(handing);
    if (underWay.length >= BATCHES_UNDER_WAY) await underWay.shift();
  };
  try {
    for await (const block of sourceBlocks(source, pool, signal)) {
      cutter ??= chooseCutter(block, source.imageBytes);
      cut ??= createCutter(cutter);
      for (let at = 0; at < block.length; at += imageDefaults.batchBytes) {
        const part = block.subarray(at, at + imageDefaults.batchBytes);
        chunks.push(...cut.push(part));
        imageBytes += part.length;
        batchBytes += part.length;
        if (at + part.length === block.length) blocks.push(block);
        if (batchBytes >= imageDefaults.batchBytes) await endBatch();
      }
    }
    chunks.push(...(cut?.end() ?? []));
    if (chunks.length > 0) await endBatch();
  } finally {
    await Promise.allSettled(underWay);
  }
  await last;
  return { imageBytes, cutter: (cutter ?? chooseCutter(new Uint8Array(0), 0)).name };
}
