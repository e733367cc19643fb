import { rename } from 'node:fs/promises';
import { chunkOffset, decodePiece, fullPieceMask, pieceChunks, sealPiece } from '@quarry/content';
import type { PackDescriptor, VerifiedPiece } from '@quarry/content';
import { ioError } from './errors.ts';
import { frameBytes, frameCheck } from './frame-table.ts';
import type { FrameTable } from './frame-table.ts';
import type { KnownPack } from './known-packs.ts';
import type { PackEngine } from './pack-engine.ts';
import { packFile } from './pack-paths.ts';
import { removeStagedFile } from './pack-stage.ts';
import type { StagedFile } from './pack-stage.ts';
import { readFully } from './positional.ts';
import { absentMask, addFrame, addPresent } from './presence.ts';

export interface StagedPack {
  readonly file: StagedFile;
  readonly descriptor: PackDescriptor;
  /** Which of its pieces the file holds as frames. */
  readonly frames: FrameTable;
}

/**
 * Makes a staged file the file of its pack by renaming it; where the pack has a file already, which others may be reading and
 * writing, copies into it what is absent. Takes over the staged file, whatever happens.
 */
export async function keepStaged(engine: PackEngine, staged: StagedPack): Promise<void> {
  const { file, descriptor } = staged;
  let pack: KnownPack | undefined;
  let isOurs = true;
  try {
    pack = await engine.roster.enter(descriptor);
    // A record may name chunks of a file that is gone: they must not come back with another.
    while (!pack.hasFile && pack.presence.isRecordAhead && !pack.isGone && !pack.isHidden)
      await engine.marks.settle(pack);
    if (pack.hasFile) await copyStaged(engine, pack, staged);
    else {
      await moveStaged(engine, pack, staged);
      isOurs = false;
    }
    engine.known.touch(pack);
  } catch (error) {
    throw ioError(error, `keeping the staged pack ${descriptor.id}`, { pack: descriptor.id });
  } finally {
    if (isOurs) await removeStagedFile(file);
    if (pack) engine.roster.leave(pack);
  }
}

async function moveStaged(engine: PackEngine, pack: KnownPack, staged: StagedPack): Promise<void> {
  const { file } = staged;
  const path = packFile(engine.directory.packs, pack.id);
  const move = async (): Promise<void> => {
    await rename(file.path, path);
    engine.files.adopt(path, file.handle);
    engine.files.markWritten(path);
    markStaged(engine, pack, staged);
  };
  // Writers of pieces wait for the file, or they would make one of their own in its place, and for its chunks to be present, or they would write over them.
  pack.hasFile = true;
  pack.fileReady = move().finally(() => (pack.fileReady = undefined));
  try {
    await pack.fileReady;
  } catch (error) {
    pack.hasFile = false;
    throw error;
  }
}

function markStaged({ marks, batcher, onPresent }: PackEngine, pack: KnownPack, staged: StagedPack): void {
  const { descriptor, frames } = staged;
  const storedBefore = pack.presence.storedBytes;
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const [bytes, check] = [frameBytes(frames, piece), frameCheck(frames, piece)];
    const added =
      bytes > 0
        ? addFrame(pack.presence, descriptor, piece, { bytes, check })
        : addPresent(pack.presence, descriptor, piece, fullPieceMask(descriptor, piece));
    if (added !== 0 && !pack.isHidden) onPresent.tell(pack.id, piece, added);
  }
  marks.noteWritten(pack);
  batcher.noteWritten(pack.presence.storedBytes - storedBefore);
}

async function copyStaged(engine: PackEngine, pack: KnownPack, staged: StagedPack): Promise<void> {
  const { descriptor } = staged;
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    if (absentMask(pack.presence, descriptor, piece, fullPieceMask(descriptor, piece)) === 0) continue;
    const added = await engine.io.write(pack, await readStaged(staged, piece));
    if (added !== 0 && !pack.isHidden) engine.onPresent.tell(pack.id, piece, added);
  }
}

async function readStaged({ file, descriptor, frames }: StagedPack, piece: number): Promise<VerifiedPiece> {
  const { first, count } = pieceChunks(descriptor, piece);
  const start = chunkOffset(descriptor, first);
  const plainBytes = chunkOffset(descriptor, first + count) - start;
  const inFrame = frameBytes(frames, piece);
  const bytes = new Uint8Array(inFrame || plainBytes);
  if ((await readFully(file.handle, bytes, start)) < bytes.length) throw new Error('the staged file was cut');
  if (inFrame === 0) return sealPiece(descriptor, piece, bytes);
  return { ...sealPiece(descriptor, piece, decodePiece(bytes, plainBytes)), frame: bytes };
}
