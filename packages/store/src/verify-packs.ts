import {
  addChunk,
  chunkDigest,
  chunkLength,
  chunkOffset,
  chunksOf,
  createChunkSet,
  decodePiece,
} from '@quarry/content';
import { digestEquals, digestOf, isEmpty, limits, maskedBytes, pieceChunks, pieceMask } from '@quarry/content';
import type { ChunkLocation, ChunkSet, PackDescriptor, VerifyProgress, VerifyReport } from '@quarry/content';
import { frameBytes } from './frame-table.ts';
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
  /** Which chunks of the run are bad. */
  const verifyRun = async (pack: KnownPack, descriptor: PackDescriptor, run: ChunkRun): Promise<number[]> => {
    const start = chunkOffset(descriptor, run.first);
    const bytes = room.subarray(0, chunkOffset(descriptor, run.first + run.count) - start);
    const bytesRead = await deps.io.readRaw(pack, descriptor, run, bytes).catch(() => 0);
    const isWhole = bytesRead === bytes.length;
    const bad: number[] = [];
    for (let chunk = run.first; chunk < run.first + run.count; chunk += 1) {
      const from = chunkOffset(descriptor, chunk) - start;
      const hasPassed = isWhole
        ? isGood(descriptor, chunk, bytes.subarray(from, from + chunkLength(descriptor, chunk)))
        : await readOne(pack, descriptor, chunk);
      if (!hasPassed) bad.push(chunk);
    }
    return bad;
  };
  /** All of a frame's chunks are bad if one of them is: they go together. */
  const verifyFrame = async (pack: KnownPack, descriptor: PackDescriptor, piece: number): Promise<number[]> => {
    const { first, count } = pieceChunks(descriptor, piece);
    const chunks = Array.from({ length: count }, (_, i) => first + i);
    const start = chunkOffset(descriptor, first);
    try {
      const frame = await deps.io.frames.read(pack, descriptor, piece, room);
      if (!frame) return chunks;
      const plain = decodePiece(frame, chunkOffset(descriptor, first + count) - start);
      const bytesOf = (chunk: number): Uint8Array =>
        plain.subarray(chunkOffset(descriptor, chunk) - start, chunkOffset(descriptor, chunk + 1) - start);
      return chunks.every((chunk) => isGood(descriptor, chunk, bytesOf(chunk))) ? [] : chunks;
    } catch {
      return chunks; // a bad sector, or no frame at all
    }
  };
  const verifyPiece = async (
    pack: KnownPack,
    descriptor: PackDescriptor,
    piece: number,
    bad: ChunkSet,
  ): Promise<void> => {
    for (;;) {
      const { lossCount, present, frames } = pack.presence;
      const mask = pieceMask(present, piece, descriptor.chunksPerPiece);
      const found: number[] = [];
      if (frameBytes(frames, piece) > 0) found.push(...(await verifyFrame(pack, descriptor, piece)));
      else {
        for (const run of maskRuns(pieceChunks(descriptor, piece).first, mask))
          found.push(...(await verifyRun(pack, descriptor, run)));
      }
      // What was dropped while it was read may have been written anew, in the other encoding.
      if (pack.presence.lossCount !== lossCount) continue;
      for (const chunk of found) addChunk(bad, chunk);
      if (mask === 0) return;
      checkedChunks += maskBits(mask);
      checkedBytes += maskedBytes(descriptor, piece, mask);
      options.onProgress?.({ checkedBytes, totalBytes: Math.max(options.totalBytes, checkedBytes) });
      return;
    }
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
      await verifyPiece(pack, descriptor, piece, bad);
    }
    if (isEmpty(bad)) return;
    for (const chunk of chunksOf(bad)) badChunks.push({ pack: pack.id, chunk });
    await deps.marks.drop(pack, descriptor, bad);
  };

  for (const pack of packs) {
    options.check();
    if (pack.isGone || pack.isHidden) continue;
    checkedPacks += 1;
    pack.users += 1;
    try {
      await verifyPack(pack);
    } finally {
      deps.roster.leave(pack);
    }
  }
  return { packs: checkedPacks, checkedChunks, checkedBytes, badChunks };
}

function maskBits(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) bits += 1;
  return bits;
}
