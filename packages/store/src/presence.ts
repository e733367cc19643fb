import {
  addPieceMask,
  chunkLength,
  chunkOffset,
  chunksOf,
  copyChunkSet,
  createChunkSet,
  fullPieceMask,
  fullChunkSet,
  hasChunk,
} from '@quarry/content';
import { maskedBytes, pieceChunks, pieceMask, removeChunk } from '@quarry/content';
import type { ChunkSet, PackDescriptor } from '@quarry/content';
import { clearFrame, createFrameTable, frameBytes, framesWithin, setFrame } from './frame-table.ts';
import type { FrameTable } from './frame-table.ts';
import type { PackRecord } from './pack-record.ts';

/**
 * What is present of one pack, and how much of that its record on disk says. Pure: who calls has done the writing.
 *   written  →  present  →  (its file was synced)  →  marked  →  (the record was written)  →  durable
 * `durable` is always part of `present`, and the record never names more than `durable`, except while `isRecordAhead`.
 * A piece is kept plain, in any part, or as a frame, then wholly. While any chunk of it is present it does not change from one to the other: so one table
 * of frames serves `present` and `durable`.
 * Thousands of packs are known, and most of them are whole: where both sets say the same they are one object, and the sets of whole packs are one for
 * all of these. Hence a set is copied before it is changed: look at it through the presence, and keep it nowhere.
 */
export interface Presence {
  present: ChunkSet;
  durable: ChunkSet;
  /** Undefined while no piece is kept as a frame. */
  frames: FrameTable | undefined;
  presentBytes: number;
  durableBytes: number;
  /** The same as they are kept: frames count as what they take. */
  storedBytes: number;
  durableStoredBytes: number;
  /** Where the last chunk or frame ever written ends. */
  dataEnd: number;
  /** How often chunks were taken away. Who reads while that happens may find what was written since, in the other encoding. */
  lossCount: number;
  /** The record still names chunks that were dropped: none may be overwritten until it has been written anew, or a crash in between would leave half a chunk that counts as present. */
  isRecordAhead: boolean;
}

/** What a record may say once the file is synced. */
export type PresenceMark = Pick<PackRecord, 'bits' | 'presentBytes' | 'storedBytes' | 'dataEnd' | 'frames'>;

export interface ChunkRun {
  readonly first: number;
  readonly count: number;
}

export function createPresence(chunkCount: number): Presence {
  const present = createChunkSet(chunkCount);
  return presenceOf(present, { presentBytes: 0, storedBytes: 0, dataEnd: 0, frames: undefined });
}

export function recordedPresence({ chunkCount, bits, ...mark }: PackRecord): Presence {
  return presenceOf({ chunkCount, bits }, mark);
}

function presenceOf(durable: ChunkSet, mark: Omit<PresenceMark, 'bits'>): Presence {
  const { presentBytes, storedBytes, dataEnd, frames } = mark;
  const shared = sharedSet(durable);
  return {
    present: shared,
    durable: shared,
    frames,
    presentBytes,
    durableBytes: presentBytes,
    storedBytes,
    durableStoredBytes: storedBytes,
    dataEnd,
    lossCount: 0,
    isRecordAhead: false,
  };
}

const wholeSets = new Map<number, ChunkSet>();

/** The one set of all packs that are whole, if this is such. */
function sharedSet(set: ChunkSet): ChunkSet {
  const whole = wholeSets.get(set.chunkCount) ?? fullChunkSet(set.chunkCount);
  wholeSets.set(set.chunkCount, whole);
  return Buffer.compare(set.bits, whole.bits) === 0 ? whole : set;
}

/** The set of present chunks, to be changed. */
function ownPresent(presence: Presence): ChunkSet {
  const { present, durable } = presence;
  if (present === durable || present === wholeSets.get(present.chunkCount)) presence.present = copyChunkSet(present);
  return presence.present;
}

/** The set of durable chunks, to be changed. */
function ownDurable(presence: Presence): ChunkSet {
  const { present, durable } = presence;
  if (durable === present || durable === wholeSets.get(durable.chunkCount)) presence.durable = copyChunkSet(durable);
  return presence.durable;
}

/** Which chunks of the mask are absent. */
export function absentMask(presence: Presence, descriptor: PackDescriptor, piece: number, mask: number): number {
  return mask & ~pieceMask(presence.present, piece, descriptor.chunksPerPiece);
}

/** Makes masked chunks present, plain; returns those that were not. */
export function addPresent(presence: Presence, descriptor: PackDescriptor, piece: number, mask: number): number {
  const added = absentMask(presence, descriptor, piece, mask);
  if (added === 0) return 0;
  const bytes = maskedBytes(descriptor, piece, added);
  addPieceMask(ownPresent(presence), piece, descriptor.chunksPerPiece, added);
  presence.presentBytes += bytes;
  presence.storedBytes += bytes;
  const last = pieceChunks(descriptor, piece).first + (31 - Math.clz32(added));
  presence.dataEnd = Math.max(presence.dataEnd, chunkOffset(descriptor, last + 1));
  return added;
}

/** Makes a piece of which no chunk is present so, as a frame; returns its chunks. */
export function addFrame(
  presence: Presence,
  descriptor: PackDescriptor,
  piece: number,
  frame: { readonly bytes: number; readonly check: number },
): number {
  const added = fullPieceMask(descriptor, piece);
  if (absentMask(presence, descriptor, piece, added) !== added)
    throw new TypeError(`piece ${piece} is present in part`);
  addPieceMask(ownPresent(presence), piece, descriptor.chunksPerPiece, added);
  presence.frames ??= createFrameTable(descriptor.chunkCount);
  setFrame(presence.frames, piece, frame.bytes, frame.check);
  presence.presentBytes += maskedBytes(descriptor, piece, added);
  presence.storedBytes += frame.bytes;
  const start = chunkOffset(descriptor, pieceChunks(descriptor, piece).first);
  presence.dataEnd = Math.max(presence.dataEnd, start + frame.bytes);
  return added;
}

/** Taken before the file is synced: what is written while that lasts waits for the next time. */
export function markOf({ present, presentBytes, storedBytes, dataEnd, frames }: Presence): PresenceMark {
  return {
    bits: new Uint8Array(present.bits),
    presentBytes,
    storedBytes,
    dataEnd,
    frames: framesWithin(frames, present),
  };
}

/** The record now says `mark`. */
export function confirmMark(presence: Presence, mark: PresenceMark): void {
  const { present } = presence;
  const isAll = Buffer.compare(present.bits, mark.bits) === 0;
  presence.durable = isAll ? sharedSet(present) : { ...present, bits: new Uint8Array(mark.bits) };
  if (isAll) presence.present = presence.durable;
  presence.durableBytes = mark.presentBytes;
  presence.durableStoredBytes = mark.storedBytes;
  presence.isRecordAhead = false;
}

/** What the record may say without syncing anything: for a drop. */
export function durableMark({ durable, durableBytes, durableStoredBytes, dataEnd, frames }: Presence): PresenceMark {
  return {
    bits: new Uint8Array(durable.bits),
    presentBytes: durableBytes,
    storedBytes: durableStoredBytes,
    dataEnd,
    frames: framesWithin(frames, durable),
  };
}

/** The file could not be synced: nobody knows what of it is on disk, so only what was before counts. Returns whether chunks went. */
export function rollBack(presence: Presence): boolean {
  const hasLost = presence.presentBytes !== presence.durableBytes;
  presence.present = presence.durable;
  presence.frames = framesWithin(presence.frames, presence.durable);
  presence.presentBytes = presence.durableBytes;
  presence.storedBytes = presence.durableStoredBytes;
  presence.lossCount += 1;
  return hasLost;
}

/** The pack file is gone, and all that was in it. */
export function loseAll(presence: Presence): void {
  presence.present = createChunkSet(presence.present.chunkCount);
  presence.durable = presence.present;
  presence.frames = undefined;
  presence.presentBytes = 0;
  presence.durableBytes = 0;
  presence.storedBytes = 0;
  presence.durableStoredBytes = 0;
  presence.lossCount += 1;
  presence.isRecordAhead = true;
}

/** Makes chunks absent, and with a chunk of a frame the whole piece: a frame cannot lose a part. Returns how many chunks were present. */
export function dropPresent(presence: Presence, descriptor: PackDescriptor, chunks: ChunkSet): number {
  let dropped = 0;
  for (const chunk of chunksOf(chunks)) {
    if (!hasChunk(presence.present, chunk)) continue;
    const piece = Math.floor(chunk / descriptor.chunksPerPiece);
    const inFrame = frameBytes(presence.frames, piece);
    dropped +=
      inFrame > 0
        ? drop(presence, descriptor, pieceChunks(descriptor, piece), inFrame)
        : drop(presence, descriptor, { first: chunk, count: 1 }, chunkLength(descriptor, chunk));
    if (inFrame > 0 && presence.frames) clearFrame(presence.frames, piece);
  }
  if (dropped > 0) presence.lossCount += 1;
  return dropped;
}

/** Present chunks that are kept in `storedBytes` bytes, all of them durable or none. */
function drop(presence: Presence, descriptor: PackDescriptor, { first, count }: ChunkRun, storedBytes: number): number {
  const isDurable = hasChunk(presence.durable, first);
  const bytes = chunkOffset(descriptor, first + count) - chunkOffset(descriptor, first);
  const [present, durable] = [ownPresent(presence), ownDurable(presence)];
  for (let chunk = first; chunk < first + count; chunk += 1) {
    removeChunk(present, chunk);
    removeChunk(durable, chunk);
  }
  presence.presentBytes -= bytes;
  presence.storedBytes -= storedBytes;
  if (!isDurable) return count;
  presence.durableBytes -= bytes;
  presence.durableStoredBytes -= storedBytes;
  presence.isRecordAhead = true;
  return count;
}

/** The first absent chunk of a run, or undefined. */
export function firstAbsent(presence: Presence, { first, count }: ChunkRun): number | undefined {
  for (let chunk = first; chunk < first + count; chunk += 1) if (!hasChunk(presence.present, chunk)) return chunk;
  return undefined;
}

/** The runs of consecutive chunks that a mask is made of. */
export function maskRuns(firstChunk: number, mask: number): ChunkRun[] {
  const runs: ChunkRun[] = [];
  for (let i = 0; mask >> i !== 0; i += 1) {
    if (((mask >> i) & 1) === 0) continue;
    let end = i;
    while ((mask >> end) & 1) end += 1;
    runs.push({ first: firstChunk + i, count: end - i });
    i = end;
  }
  return runs;
}
