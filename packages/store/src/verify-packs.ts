import { addChunk, chunkDigest, chunkLength, chunkOffset, chunksOf, createChunkSet } from '@quarry/content';
import { digestEquals, digestOf, isEmpty, limits, pieceChunks, pieceMask } from '@quarry/content';
import type { ChunkLocation, ChunkSet, PackDescriptor, VerifyProgress, VerifyReport } from '@quarry/content';
import type { KnownPack } from './known-packs.ts';
import type { PackIo } from './pack-io.ts';
import type { PackMarks } from './pack-marks.ts';
import type { PackRoster } from './pack-roster.ts';
import { maskRuns } from './presence.ts';
import type { ChunkRun } from './presence.ts';

export interface VerifyPacksDeps {
  readonly io: PackIo;
  readonly marks: PackMarks;
  readonly roster: PackRoster;
}

export interface VerifyPacksOptions {
  readonly totalBytes: number;
  /** Called between pieces; throws to stop. */
  readonly check: () => void;
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

/**
 * Reads every present chunk of some packs, a piece at a time (4 MiB at most in memory), and hashes it. What does not have its digest, or
 * cannot be read, is dropped pack by pack, so that stopping in the middle keeps what was found.
 */
export async function verifyPacks(
  deps: VerifyPacksDeps,
  packs: readonly KnownPack[],
  options: VerifyPacksOptions,
): Promise<Omit<VerifyReport, 'strayFiles'>> {
  const room = new Uint8Array(limits.maxPieceBytes);
  const badChunks: ChunkLocation[] = [];
  let checkedPacks = 0;
  let checkedChunks = 0;
  let checkedBytes = 0;

  const isGood = (descriptor: PackDescriptor, chunk: number, bytes: Uint8Array): boolean =>
    digestEquals(digestOf(bytes), chunkDigest(descriptor, chunk));
  const readOne = async (pack: KnownPack, descriptor: PackDescriptor, chunk: number): Promise<boolean> => {
    const bytes = room.subarray(0, chunkLength(descriptor, chunk));
    const run = { first: chunk, count: 1 };
    const bytesRead = await deps.io.readRaw(pack, descriptor, run, bytes).catch(() => 0); // a bad sector is a bad chunk
    return bytesRead === bytes.length && isGood(descriptor, chunk, bytes);
  };
  const verifyRun = async (
    pack: KnownPack,
    descriptor: PackDescriptor,
    run: ChunkRun,
    bad: ChunkSet,
  ): Promise<void> => {
    const start = chunkOffset(descriptor, run.first);
    const bytes = room.subarray(0, chunkOffset(descriptor, run.first + run.count) - start);
    const bytesRead = await deps.io.readRaw(pack, descriptor, run, bytes).catch(() => 0);
    const isWhole = bytesRead === bytes.length;
    for (let chunk = run.first; chunk < run.first + run.count; chunk += 1) {
      const from = chunkOffset(descriptor, chunk) - start;
      const hasPassed = isWhole
        ? isGood(descriptor, chunk, bytes.subarray(from, from + chunkLength(descriptor, chunk)))
        : await readOne(pack, descriptor, chunk);
      if (!hasPassed) addChunk(bad, chunk);
    }
    checkedChunks += run.count;
    checkedBytes += bytes.length;
    options.onProgress?.({ checkedBytes, totalBytes: Math.max(options.totalBytes, checkedBytes) });
  };
  const verifyPack = async (pack: KnownPack): Promise<void> => {
    const bad = createChunkSet(pack.chunkCount);
    const descriptor = await deps.roster.descriptorOf(pack);
    if (!descriptor) {
      // Nobody can tell any more what its chunks should be; the pack is gone.
      for (const chunk of chunksOf(pack.presence.present)) badChunks.push({ pack: pack.id, chunk });
      return;
    }
    for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
      options.check();
      const mask = pieceMask(pack.presence.present, piece, descriptor.chunksPerPiece);
      const runs = maskRuns(pieceChunks(descriptor, piece).first, mask);
      for (const run of runs) await verifyRun(pack, descriptor, run, bad);
    }
    if (isEmpty(bad)) return;
    for (const chunk of chunksOf(bad)) badChunks.push({ pack: pack.id, chunk });
    await deps.marks.drop(pack, descriptor, bad);
  };

  for (const pack of packs) {
    options.check();
    if (pack.isGone) continue;
    checkedPacks += 1;
    pack.users += 1;
    try {
      await verifyPack(pack);
    } finally {
      pack.users -= 1;
    }
  }
  return { packs: checkedPacks, checkedChunks, checkedBytes, badChunks };
}
