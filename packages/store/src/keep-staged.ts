import { rename } from 'node:fs/promises';
import { chunkOffset, fullPieceMask, packBytes, pieceChunks, sealPiece } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import { ioError } from './errors.ts';
import type { KnownPack } from './known-packs.ts';
import type { PackEngine } from './pack-engine.ts';
import { packFile } from './pack-paths.ts';
import { removeStagedFile } from './pack-stage.ts';
import type { StagedFile } from './pack-stage.ts';
import { readFully } from './positional.ts';
import { absentMask, addPresent } from './presence.ts';

/**
 * Makes a staged file the file of its pack by renaming it; where the pack has a file already, which others may be reading and
 * writing, copies into it what is absent. Takes over the staged file, whatever happens.
 */
export async function keepStaged(engine: PackEngine, file: StagedFile, descriptor: PackDescriptor): Promise<void> {
  let pack: KnownPack | undefined;
  let isOurs = true;
  try {
    pack = await engine.roster.enter(descriptor);
    // A record may name chunks of a file that is gone: they must not come back with another.
    while (!pack.hasFile && pack.presence.isRecordAhead && !pack.isGone) await engine.marks.settle(pack);
    if (pack.hasFile) await copyStaged(engine, pack, file, descriptor);
    else {
      await moveStaged(engine, pack, file, descriptor);
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

async function moveStaged(
  engine: PackEngine,
  pack: KnownPack,
  file: StagedFile,
  descriptor: PackDescriptor,
): Promise<void> {
  const path = packFile(engine.directory.packs, pack.id);
  const move = async (): Promise<void> => {
    await rename(file.path, path);
    engine.files.adopt(path, file.handle);
    engine.files.markWritten(path);
    markStaged(engine, pack, descriptor);
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

function markStaged({ marks, batcher, onPresent }: PackEngine, pack: KnownPack, descriptor: PackDescriptor): void {
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const added = addPresent(pack.presence, descriptor, piece, fullPieceMask(descriptor, piece));
    if (added !== 0) onPresent.tell(pack.id, piece, added);
  }
  marks.noteWritten(pack);
  batcher.noteWritten(packBytes(descriptor));
}

async function copyStaged(
  engine: PackEngine,
  pack: KnownPack,
  file: StagedFile,
  descriptor: PackDescriptor,
): Promise<void> {
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    if (absentMask(pack.presence, descriptor, piece, fullPieceMask(descriptor, piece)) === 0) continue;
    const { first, count } = pieceChunks(descriptor, piece);
    const start = chunkOffset(descriptor, first);
    const bytes = new Uint8Array(chunkOffset(descriptor, first + count) - start);
    if ((await readFully(file.handle, bytes, start)) < bytes.length) throw new Error('the staged file was cut');
    const added = await engine.io.write(pack, sealPiece(descriptor, piece, bytes));
    if (added !== 0) engine.onPresent.tell(pack.id, piece, added);
  }
}
