import { addChunk, addRun, chunkOffset, chunksOf, createChunkSet, fullPieceMask } from '@quarry/content';
import { limits, maskedBytes, pieceChunks } from '@quarry/content';
import type { ChunkSet, LentChunks, PackDescriptor, PackId, StoredPiece, VerifiedPiece } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { StoreError, ioError } from './errors.ts';
import { createFrameReader } from './frame-reader.ts';
import type { FrameReader } from './frame-reader.ts';
import { checkOfFrame, frameBytes } from './frame-table.ts';
import type { FreeSpace } from './free-space.ts';
import type { HandlePool } from './handle-pool.ts';
import { createKeyedLock } from './keyed-lock.ts';
import type { KnownPack } from './known-packs.ts';
import type { PackMarks } from './pack-marks.ts';
import { packFile } from './pack-paths.ts';
import { readFully, writeFully } from './positional.ts';
import { absentMask, addFrame, addPresent, firstAbsent, maskRuns } from './presence.ts';
import type { ChunkRun } from './presence.ts';

/**
 * Chunks to and from pack files. The caller has counted itself among the pack's users.
 * A slot (a piece's place in the file) is written by one call at a time, which decides plain or frame when it begins and by what is present then; so
 * no slot ever holds half of each. What is read is believed only if no chunk of the pack was dropped meanwhile.
 */
export interface PackIo {
  /** Writes what of the piece is absent, one system call per run; returns the chunks that became present. */
  write(pack: KnownPack, piece: VerifiedPiece): Promise<number>;
  /** The runs one after another into `into`, plain. @throws StoreError STORE_CHUNK_ABSENT */
  read(pack: KnownPack, descriptor: PackDescriptor, runs: readonly ChunkRun[], into: Uint8Array): Promise<void>;
  /** A whole piece as it is kept, in `into` where that is long enough. @throws StoreError STORE_CHUNK_ABSENT */
  readStored(pack: KnownPack, descriptor: PackDescriptor, piece: number, into?: Uint8Array): Promise<StoredPiece>;
  /** Hands the file and the places of the run's chunks to `read`, unless one is absent or there is no file. */
  lend<T>(
    pack: KnownPack,
    descriptor: PackDescriptor,
    run: ChunkRun,
    read: (lent: LentChunks) => Promise<T>,
  ): Promise<T | undefined>;
  /** Bytes of the file from the run's first chunk on, without looking at presence; returns how many there were. */
  readRaw(pack: KnownPack, descriptor: PackDescriptor, run: ChunkRun, into: Uint8Array): Promise<number>;
  readonly frames: FrameReader;
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
  const slots = createKeyedLock<number>();

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
  const frames = createFrameReader({ readRaw });
  const drop = async (pack: KnownPack, descriptor: PackDescriptor, chunks: ChunkSet): Promise<void> => {
    await marks.drop(pack, descriptor, chunks).catch(() => {
      // The record could not be written; it will be before anything is written over these chunks.
    });
  };
  /** The file ends before its marks do: somebody cut it. What lies behind its end is not present any more. */
  const dropCut = async (pack: KnownPack, descriptor: PackDescriptor, endOfFile: number): Promise<void> => {
    if (pack.isGone) return;
    logger.error('a pack file is shorter than it was: dropped what was cut', { pack: pack.id, endOfFile });
    await drop(pack, descriptor, chunksBehind(pack, descriptor, endOfFile));
  };
  const dropBadFrame = async (pack: KnownPack, descriptor: PackDescriptor, piece: number): Promise<void> => {
    if (pack.isGone) return;
    logger.error('a piece is not the frame that was written: dropped it', { pack: pack.id, piece });
    const { first, count } = pieceChunks(descriptor, piece);
    const bad = createChunkSet(descriptor.chunkCount);
    addRun(bad, first, count);
    await drop(pack, descriptor, bad);
  };
  /** Again where chunks were dropped meanwhile: what was read may be what somebody wrote in their place, in the other encoding. */
  const whilePresent = async <T>(
    pack: KnownPack,
    runs: readonly ChunkRun[],
    work: (lossCount: number) => Promise<T | undefined>,
  ): Promise<T> => {
    for (;;) {
      for (const run of runs) checkPresent(pack, run);
      const { lossCount } = pack.presence;
      const result = await work(lossCount);
      if (result !== undefined && pack.presence.lossCount === lossCount && !pack.isGone) return result;
    }
  };
  /** Resolves to undefined when it has dropped what was not there, or what was there at `lossCount` is not any more. */
  const readPlain = async (
    { pack, descriptor, lossCount }: Reading,
    run: ChunkRun,
    into: Uint8Array,
  ): Promise<Uint8Array | undefined> => {
    const bytesRead = await readRaw(pack, descriptor, run, into);
    if (bytesRead === into.length) return into;
    if (pack.presence.lossCount === lossCount)
      await dropCut(pack, descriptor, chunkOffset(descriptor, run.first) + bytesRead);
    return undefined;
  };
  /** So does this. */
  const readFrame = async (
    { pack, descriptor, lossCount }: Reading,
    piece: number,
    get: () => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> => {
    const bytes = await get();
    if (bytes === undefined && pack.presence.lossCount === lossCount) await dropBadFrame(pack, descriptor, piece);
    return bytes;
  };
  /** And this, for a run in which pieces are kept as frames. */
  const readMixed = async (reading: Reading, run: ChunkRun, into: Uint8Array): Promise<Uint8Array | undefined> => {
    const { pack, descriptor } = reading;
    const start = chunkOffset(descriptor, run.first);
    for (const { first, count, piece } of partsOf(pack, descriptor, run)) {
      const [from, to] = [chunkOffset(descriptor, first), chunkOffset(descriptor, first + count)];
      const room = into.subarray(from - start, to - start);
      if (piece === undefined) {
        if (!(await readPlain(reading, { first, count }, room))) return undefined;
        continue;
      }
      const plain = await readFrame(reading, piece, () => frames.decode(pack, descriptor, piece));
      if (!plain) return undefined;
      const pieceStart = chunkOffset(descriptor, pieceChunks(descriptor, piece).first);
      room.set(plain.subarray(from - pieceStart, to - pieceStart));
    }
    return into;
  };
  const readRuns = async (
    reading: Reading,
    runs: readonly ChunkRun[],
    into: Uint8Array,
  ): Promise<Uint8Array | undefined> => {
    const { descriptor } = reading;
    const read = reading.pack.presence.frames ? readMixed : readPlain;
    let at = 0;
    for (const run of runs) {
      const length = chunkOffset(descriptor, run.first + run.count) - chunkOffset(descriptor, run.first);
      if (!(await read(reading, run, into.subarray(at, at + length)))) return undefined;
      at += length;
    }
    return into;
  };

  /** When this resolves no chunk that is absent now is named by the record: what is written over it cannot count after a crash. */
  const untilWritable = async (pack: KnownPack): Promise<void> => {
    for (;;) {
      if (pack.fileReady) await pack.fileReady;
      else if (pack.presence.isRecordAhead && !pack.isGone && !pack.isHidden) await marks.settle(pack);
      else return;
    }
  };
  const writeSlot = async (pack: KnownPack, verified: VerifiedPiece): Promise<number> => {
    const { descriptor, piece, mask, bytes } = verified;
    const { presence } = pack;
    const absent = absentMask(presence, descriptor, piece, mask);
    await freeSpace.claim(frameFor(verified, absent)?.length ?? maskedBytes(descriptor, piece, absent));
    await untilWritable(pack);
    const missing = absentMask(presence, descriptor, piece, mask);
    if (missing === 0) return 0;
    const frame = frameFor(verified, missing);
    const { failures } = pack;
    const { first } = pieceChunks(descriptor, piece);
    const path = packFile(packs, pack.id);
    pack.hasFile = true;
    await files
      .use(path, { create: true }, async (handle) => {
        files.markWritten(path); // before the first byte: a write that fails has written some
        marks.noteWritten(pack);
        if (frame) return await writeFully(handle, frame, chunkOffset(descriptor, first));
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
    const storedBefore = presence.storedBytes;
    const added = frame
      ? addFrame(presence, descriptor, piece, { bytes: frame.length, check: checkOfFrame(frame) })
      : addPresent(presence, descriptor, piece, missing);
    marks.noteWritten(pack);
    deps.onWritten(presence.storedBytes - storedBefore);
    return added;
  };

  return {
    readRaw,
    frames,
    write: (pack, piece) =>
      slots.run(pack.number * limits.maxPiecesPerPack + piece.piece, () => writeSlot(pack, piece)),
    async read(pack, descriptor, runs, into) {
      await whilePresent(pack, runs, (lossCount) => readRuns({ pack, descriptor, lossCount }, runs, into));
    },
    async lend(pack, descriptor, run, read) {
      if (pack.isGone || firstAbsent(pack.presence, run) !== undefined) return undefined;
      const parts = partsOf(pack, descriptor, run).map(({ first, count, piece }) => ({
        firstChunk: first,
        count,
        position: chunkOffset(descriptor, piece === undefined ? first : pieceChunks(descriptor, piece).first),
        frameBytes: piece === undefined ? 0 : frameBytes(pack.presence.frames, piece),
      }));
      let isOpen = false;
      try {
        return await files.use(packFile(packs, pack.id), { create: false }, ({ fd }) => {
          isOpen = true;
          return read({ fd, parts });
        });
      } catch (error) {
        if (!isOpen && errorCode(error) === 'ENOENT') return undefined;
        throw isOpen ? error : ioError(error, `opening the file of pack ${pack.id}`, { pack: pack.id });
      }
    },
    async readStored(pack, descriptor, piece, into) {
      const run = pieceChunks(descriptor, piece);
      return await whilePresent(pack, [run], async (lossCount) => {
        const reading = { pack, descriptor, lossCount };
        if (frameBytes(pack.presence.frames, piece) > 0) {
          const frame = await readFrame(reading, piece, () => frames.read(pack, descriptor, piece, into));
          return frame && { encoding: 'zstd' as const, bytes: frame };
        }
        const length = maskedBytes(descriptor, piece, fullPieceMask(descriptor, piece));
        const room = into && into.length >= length ? into.subarray(0, length) : new Uint8Array(length);
        const plain = await readPlain(reading, run, room);
        return plain && { encoding: 'plain' as const, bytes: plain };
      });
    },
  };
}

/** What is being read, and how often the pack had lost chunks when that began. */
interface Reading {
  readonly pack: KnownPack;
  readonly descriptor: PackDescriptor;
  readonly lossCount: number;
}

/** The frame to write where these chunks of the piece are absent: only if all are. */
function frameFor({ descriptor, piece, bytes, frame }: VerifiedPiece, absent: number): Uint8Array | undefined {
  if (frame === undefined || frame.length >= bytes.length) return undefined;
  return absent === fullPieceMask(descriptor, piece) ? frame : undefined;
}

interface Part extends ChunkRun {
  /** The piece that these chunks are in, where it is kept as a frame. */
  readonly piece: number | undefined;
}

/** The run cut where plain pieces and frames meet, and between frames. */
function partsOf(pack: KnownPack, descriptor: PackDescriptor, run: ChunkRun): Part[] {
  const { frames } = pack.presence;
  const end = run.first + run.count;
  const parts: Part[] = [];
  for (let first = run.first; first < end; ) {
    const piece = Math.floor(first / descriptor.chunksPerPiece);
    const next = Math.min(end, (piece + 1) * descriptor.chunksPerPiece);
    const before = parts.at(-1);
    if (frameBytes(frames, piece) > 0) parts.push({ first, count: next - first, piece });
    else if (before && before.piece === undefined)
      parts[parts.length - 1] = { ...before, count: before.count + next - first };
    else parts.push({ first, count: next - first, piece: undefined });
    first = next;
  }
  return parts;
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

/** Chunks that a file of so many bytes cannot hold. */
function chunksBehind({ presence }: KnownPack, descriptor: PackDescriptor, endOfFile: number): ChunkSet {
  const cut = createChunkSet(descriptor.chunkCount);
  for (const chunk of chunksOf(presence.present)) {
    const piece = Math.floor(chunk / descriptor.chunksPerPiece);
    const inFrame = frameBytes(presence.frames, piece);
    const { first } = pieceChunks(descriptor, piece);
    const end = inFrame > 0 ? chunkOffset(descriptor, first) + inFrame : chunkOffset(descriptor, chunk + 1);
    if (end > endOfFile) addChunk(cut, chunk);
  }
  return cut;
}
