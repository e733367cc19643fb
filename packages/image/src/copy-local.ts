import { addChunk, ContentError, createChunkSet, verifyPiece } from '@quarry/content';
import type { ChunkLocation, PackDescriptor, PackStore, VerifiedPiece } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { storeFailure } from './image-error.ts';
import type { LocalCopy, PackCopies } from './plan-fetch.ts';

export interface CopyDeps {
  readonly store: PackStore;
  readonly logger: Logger;
}

export interface CopyResult {
  readonly copiedBytes: number;
  /** Chunks that were gone or bad where they should have been: they have to come from elsewhere. */
  readonly failedChunks: readonly number[];
}

interface ReadCopy extends LocalCopy {
  readonly bytes: Uint8Array;
}

/**
 * Copies chunks from other packs of this host into a pack, piece by piece, and hashes them on the way: what a disk has spoilt is dropped there and not
 * spread.
 */
export async function copyLocal(
  deps: CopyDeps,
  descriptor: PackDescriptor,
  { copies }: PackCopies,
  options: { readonly signal?: AbortSignal | undefined; readonly onCopied?: (bytes: number) => void } = {},
): Promise<CopyResult> {
  const { signal } = options;
  const failedChunks: number[] = [];
  let copiedBytes = 0;
  for (const [piece, group] of byPiece(descriptor, copies)) {
    signal?.throwIfAborted();
    const read = (await Promise.all(runsOf(group).map((run) => readRun(deps, descriptor, run, signal)))).flat();
    const verified = await verifyCopies(deps, descriptor, piece, read, signal);
    for (const { chunk } of group)
      if (!isIn(verified, chunk - piece * descriptor.chunksPerPiece)) failedChunks.push(chunk);
    if (!verified) continue;
    await deps.store.writePiece(verified, { signal }).catch((error: unknown) => {
      throw storeFailure('chunks were copied between packs', error, signal);
    });
    copiedBytes += verified.bytes.length;
    options.onCopied?.(verified.bytes.length);
  }
  return { copiedBytes, failedChunks };
}

/** Reads a run at once; where that fails because something has been evicted since the plan was made, chunk by chunk. */
async function readRun(
  deps: CopyDeps,
  descriptor: PackDescriptor,
  run: readonly LocalCopy[],
  signal: AbortSignal | undefined,
): Promise<ReadCopy[]> {
  const [first] = run;
  if (!first) return [];
  const { offsets } = descriptor;
  const start = offsets[first.chunk] ?? 0;
  try {
    const bytes = await deps.store.readChunks(first.from.pack, first.from.chunk, run.length, { signal });
    return run.map((copy) => ({
      ...copy,
      bytes: bytes.subarray((offsets[copy.chunk] ?? 0) - start, (offsets[copy.chunk + 1] ?? 0) - start),
    }));
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'STORE_CHUNK_ABSENT' && code !== 'STORE_PACK_UNKNOWN') {
      throw storeFailure('chunks were copied between packs', error, signal);
    }
    if (run.length === 1) return [];
    return (await Promise.all(run.map((copy) => readRun(deps, descriptor, [copy], signal)))).flat();
  }
}

/** What was read as a piece; chunks that turn out bad are dropped where they came from and left out. */
async function verifyCopies(
  deps: CopyDeps,
  descriptor: PackDescriptor,
  piece: number,
  read: readonly ReadCopy[],
  signal: AbortSignal | undefined,
): Promise<VerifiedPiece | undefined> {
  for (let left = read; left.length > 0; ) {
    let mask = 0;
    for (const { chunk } of left) mask |= 1 << (chunk - piece * descriptor.chunksPerPiece);
    try {
      return verifyPiece(descriptor, piece, mask, Buffer.concat(left.map(({ bytes }) => bytes)));
    } catch (error) {
      const bad =
        error instanceof ContentError ? left.find(({ chunk }) => chunk === error.details['chunk']) : undefined;
      if (!bad) throw error;
      await dropBad(deps, bad.from, signal);
      left = left.filter((copy) => copy !== bad);
    }
  }
  return undefined;
}

async function dropBad(
  { store, logger }: CopyDeps,
  { pack, chunk }: ChunkLocation,
  signal: AbortSignal | undefined,
): Promise<void> {
  logger.warn('a bad chunk in the store', { pack, chunk });
  const present = store.present(pack);
  if (!present) return;
  const bad = createChunkSet(present.chunkCount);
  addChunk(bad, chunk);
  await store.dropChunks(pack, bad, { signal }).catch((error: unknown) => {
    throw storeFailure('a bad chunk was dropped', error, signal);
  });
}

/** Neighbours here that are neighbours where they come from. */
function runsOf(group: readonly LocalCopy[]): LocalCopy[][] {
  const runs: LocalCopy[][] = [];
  for (const copy of group) {
    const last = runs.at(-1)?.at(-1);
    const goesOn =
      last?.from.pack === copy.from.pack && last.from.chunk + 1 === copy.from.chunk && last.chunk + 1 === copy.chunk;
    if (goesOn) runs.at(-1)?.push(copy);
    else runs.push([copy]);
  }
  return runs;
}

function byPiece(descriptor: PackDescriptor, copies: readonly LocalCopy[]): Map<number, LocalCopy[]> {
  const pieces = new Map<number, LocalCopy[]>();
  for (const copy of copies) {
    const piece = Math.floor(copy.chunk / descriptor.chunksPerPiece);
    const group = pieces.get(piece);
    if (group) group.push(copy);
    else pieces.set(piece, [copy]);
  }
  return pieces;
}

function isIn(piece: VerifiedPiece | undefined, index: number): boolean {
  return piece !== undefined && ((piece.mask >> index) & 1) === 1;
}
