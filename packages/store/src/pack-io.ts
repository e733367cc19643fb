import { addChunk, chunkOffset, chunksOf, createChunkSet, maskedBytes, pieceChunks } from '@quarry/content';
import type { ChunkSet, PackDescriptor, PackId, VerifiedPiece } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { StoreError, ioError } from './errors.ts';
import type { FreeSpace } from './free-space.ts';
import type { HandlePool } from './handle-pool.ts';
import type { KnownPack } from './known-packs.ts';
import type { PackMarks } from './pack-marks.ts';
import { packFile } from './pack-paths.ts';
import { readFully, writeFully } from './positional.ts';
import { absentMask, addPresent, firstAbsent, maskRuns } from './presence.ts';
import type { ChunkRun } from './presence.ts';

/** Chunks to and from pack files. The caller has counted itself among the pack's users. */
export interface PackIo {
  /** Writes what of the piece is absent, one system call per run; returns the chunks that became present. */
  write(pack: KnownPack, piece: VerifiedPiece): Promise<number>;
  /** The runs one after another into `into`. @throws StoreError STORE_CHUNK_ABSENT */
  read(pack: KnownPack, descriptor: PackDescriptor, runs: readonly ChunkRun[], into: Uint8Array): Promise<void>;
  /** As `read`, without looking at presence; returns the bytes there were. */
  readRaw(pack: KnownPack, descriptor: PackDescriptor, run: ChunkRun, into: Uint8Array): Promise<number>;
}

export interface PackIoDeps {
  readonly packs: string;
  readonly files: HandlePool;
  readonly freeSpace: FreeSpace;
  readonly marks: PackMarks;
  /** Bytes were written that the next flush must cover. */
  readonly onWritten: (bytes: number) => void;
  readonly logger: Logger;
}

export function createPackIo(deps: PackIoDeps): PackIo {
  const { packs, files, freeSpace, marks, logger } = deps;

  const readRaw: PackIo['readRaw'] = async (pack, descriptor, { first }, into) => {
    try {
      const position = chunkOffset(descriptor, first);
      return await files.use(packFile(packs, pack.id), { create: false }, (handle) =>
        readFully(handle, into, position),
      );
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 0;
      throw ioError(error, `reading chunk ${first} of pack ${pack.id}`, { pack: pack.id, chunk: first });
    }
  };
  /** The file ends before its marks do: somebody cut it. What lies behind its end is not present any more. */
  const dropCut = async (pack: KnownPack, descriptor: PackDescriptor, endOfFile: number): Promise<void> => {
    logger.error('a pack file is shorter than it was: dropped what was cut', { pack: pack.id, endOfFile });
    await marks.drop(pack, descriptor, chunksBehind(pack.presence.present, descriptor, endOfFile)).catch(() => {
      // The record could not be written; it will be before anything is written over these chunks.
    });
  };

  return {
    readRaw,
    async write(pack, { descriptor, piece, mask, bytes }) {
      if (pack.presence.isRecordAhead) await marks.settle(pack);
      await freeSpace.claim(maskedBytes(descriptor, piece, absentMask(pack.presence, descriptor, piece, mask)));
      await pack.fileReady;
      const missing = absentMask(pack.presence, descriptor, piece, mask);
      if (missing === 0) return 0;
      const { failures } = pack;
      const { first } = pieceChunks(descriptor, piece);
      const path = packFile(packs, pack.id);
      pack.hasFile = true;
      await files
        .use(path, { create: true }, async (handle) => {
          files.markWritten(path); // before the first byte: a write that fails has written some
          marks.noteWritten(pack);
          for (const run of maskRuns(first, missing)) {
            const before = mask & ((1 << (run.first - first)) - 1);
            const at = maskedBytes(descriptor, piece, before);
            const position = chunkOffset(descriptor, run.first);
            const length = chunkOffset(descriptor, run.first + run.count) - position;
            await writeFully(handle, bytes.subarray(at, at + length), position);
          }
        })
        .catch((error: unknown) => {
          throw ioError(error, `writing piece ${piece} of pack ${pack.id}`, { pack: pack.id, piece });
        });
      if (pack.isGone) throw absentError(pack.id, first);
      if (pack.failures !== failures) {
        throw new StoreError('STORE_IO', `pack ${pack.id} could not be synced while piece ${piece} was written`, {
          details: { pack: pack.id, piece },
          canRetry: true,
        });
      }
      const added = addPresent(pack.presence, descriptor, piece, missing);
      if (added === 0) return 0;
      marks.noteWritten(pack);
      deps.onWritten(maskedBytes(descriptor, piece, added));
      return added;
    },
    async read(pack, descriptor, runs, into) {
      for (const run of runs) checkPresent(pack, run);
      let at = 0;
      for (const run of runs) {
        const position = chunkOffset(descriptor, run.first);
        const length = chunkOffset(descriptor, run.first + run.count) - position;
        const bytesRead = await readRaw(pack, descriptor, run, into.subarray(at, at + length));
        if (bytesRead < length && !pack.isGone) await dropCut(pack, descriptor, position + bytesRead);
        at += length;
      }
      // What was dropped while it was being read may be somebody else's bytes by now.
      for (const run of runs) checkPresent(pack, run);
    },
  };
}

function checkPresent(pack: KnownPack, run: ChunkRun): void {
  const absent = pack.isGone ? run.first : firstAbsent(pack.presence, run);
  if (absent !== undefined) throw absentError(pack.id, absent);
}

function absentError(pack: PackId, chunk: number): StoreError {
  return new StoreError('STORE_CHUNK_ABSENT', `chunk ${chunk} of pack ${pack} is not here: fetch it`, {
    details: { pack, chunk },
  });
}

function chunksBehind(present: ChunkSet, descriptor: PackDescriptor, endOfFile: number): ChunkSet {
  const cut = createChunkSet(present.chunkCount);
  for (const chunk of chunksOf(present)) if (chunkOffset(descriptor, chunk + 1) > endOfFile) addChunk(cut, chunk);
  return cut;
}
