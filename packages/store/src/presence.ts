import {
  addPieceMask,
  chunkLength,
  chunkOffset,
  chunksOf,
  copyChunkSet,
  createChunkSet,
  hasChunk,
} from '@quarry/content';
import { maskedBytes, pieceChunks, pieceMask, removeChunk } from '@quarry/content';
import type { ChunkSet, PackDescriptor } from '@quarry/content';
import type { PackRecord } from './pack-record.ts';

/**
 * What is present of one pack, and how much of that its record on disk says. Pure: who calls has done the writing.
 *   written  →  present  →  (its file was synced)  →  marked  →  (the record was written)  →  durable
 * `durable` is always part of `present`, and the record never names more than `durable`, except while `isRecordAhead`.
 */
export interface Presence {
  readonly present: ChunkSet;
  readonly durable: ChunkSet;
  presentBytes: number;
  durableBytes: number;
  /** Where the last chunk ever written ends. */
  dataEnd: number;
  /** The record still names chunks that were dropped: none may be overwritten until it has been written anew, or a crash in between would leave half a chunk that counts as present. */
  isRecordAhead: boolean;
}

/** What a record may say once the file is synced. */
export type PresenceMark = Pick<PackRecord, 'bits' | 'presentBytes' | 'dataEnd'>;

export interface ChunkRun {
  readonly first: number;
  readonly count: number;
}

export function createPresence(chunkCount: number): Presence {
  return {
    present: createChunkSet(chunkCount),
    durable: createChunkSet(chunkCount),
    presentBytes: 0,
    durableBytes: 0,
    dataEnd: 0,
    isRecordAhead: false,
  };
}

export function recordedPresence({ chunkCount, bits, presentBytes, dataEnd }: PackRecord): Presence {
  const durable = { chunkCount, bits };
  const present = copyChunkSet(durable);
  return { present, durable, presentBytes, durableBytes: presentBytes, dataEnd, isRecordAhead: false };
}

/** Which chunks of the mask are absent. */
export function absentMask(presence: Presence, descriptor: PackDescriptor, piece: number, mask: number): number {
  return mask & ~pieceMask(presence.present, piece, descriptor.chunksPerPiece);
}

/** Makes masked chunks present; returns those that were not. */
export function addPresent(presence: Presence, descriptor: PackDescriptor, piece: number, mask: number): number {
  const added = absentMask(presence, descriptor, piece, mask);
  if (added === 0) return 0;
  addPieceMask(presence.present, piece, descriptor.chunksPerPiece, added);
  presence.presentBytes += maskedBytes(descriptor, piece, added);
  const last = pieceChunks(descriptor, piece).first + (31 - Math.clz32(added));
  presence.dataEnd = Math.max(presence.dataEnd, chunkOffset(descriptor, last + 1));
  return added;
}

/** Taken before the file is synced: what is written while that lasts waits for the next time. */
export function markOf(presence: Presence): PresenceMark {
  return {
    bits: new Uint8Array(presence.present.bits),
    presentBytes: presence.presentBytes,
    dataEnd: presence.dataEnd,
  };
}

/** The record now says `mark`. */
export function confirmMark(presence: Presence, mark: PresenceMark): void {
  presence.durable.bits.set(mark.bits);
  presence.durableBytes = mark.presentBytes;
  presence.isRecordAhead = false;
}

/** What the record may say without syncing anything: for a drop. */
export function durableMark(presence: Presence): PresenceMark {
  const { durable, durableBytes, dataEnd } = presence;
  return { bits: new Uint8Array(durable.bits), presentBytes: durableBytes, dataEnd };
}

/** The file could not be synced: nobody knows what of it is on disk, so only what was before counts. Returns whether chunks went. */
export function rollBack(presence: Presence): boolean {
  const hasLost = presence.presentBytes !== presence.durableBytes;
  presence.present.bits.set(presence.durable.bits);
  presence.presentBytes = presence.durableBytes;
  return hasLost;
}

/** Makes chunks absent; returns how many were present. */
export function dropPresent(presence: Presence, descriptor: PackDescriptor, chunks: ChunkSet): number {
  let dropped = 0;
  for (const chunk of chunksOf(chunks)) {
    if (!hasChunk(presence.present, chunk)) continue;
    const bytes = chunkLength(descriptor, chunk);
    dropped += 1;
    removeChunk(presence.present, chunk);
    presence.presentBytes -= bytes;
    if (!hasChunk(presence.durable, chunk)) continue;
    removeChunk(presence.durable, chunk);
    presence.durableBytes -= bytes;
    presence.isRecordAhead = true;
  }
  return dropped;
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
