import { chunksPerPieceFor, digestOf, hasChunk } from '@quarry/content';
import type { ChunkSet } from '@quarry/content';

/**
 * Which pieces of a pack are kept as frames: for each piece how many bytes its frame has, 0 where it is not kept as one, and a check over them. A pack
 * without frames has none, one with 256 takes 2 KiB: a TiB of packs 8 MiB. The check is 4 bytes of the frame's BLAKE3: against bit rot, which the
 * digests of the chunks would find too, but only after the frame has been sent.
 */
export type FrameTable = Uint32Array;

export function createFrameTable(chunkCount: number): FrameTable {
  return new Uint32Array(2 * Math.ceil(chunkCount / chunksPerPieceFor(chunkCount)));
}

export function checkOfFrame(frame: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = digestOf(frame);
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** 0 where the piece is not kept as a frame. */
export function frameBytes(frames: FrameTable | undefined, piece: number): number {
  return frames?.[2 * piece] ?? 0;
}

export function frameCheck(frames: FrameTable | undefined, piece: number): number {
  return frames?.[2 * piece + 1] ?? 0;
}

export function setFrame(frames: FrameTable, piece: number, bytes: number, check: number): void {
  frames[2 * piece] = bytes;
  frames[2 * piece + 1] = check;
}

export function clearFrame(frames: FrameTable, piece: number): void {
  setFrame(frames, piece, 0, 0);
}

/** A copy with the frames whose pieces are in `chunks`; undefined where there is none. A frame's piece is in a set wholly or not at all. */
export function framesWithin(frames: FrameTable | undefined, chunks: ChunkSet): FrameTable | undefined {
  if (!frames) return undefined;
  const chunksPerPiece = chunksPerPieceFor(chunks.chunkCount);
  const within = new Uint32Array(frames);
  let hasFrames = false;
  for (let piece = 0; 2 * piece < within.length; piece += 1) {
    if (within[2 * piece] === 0) continue;
    if (hasChunk(chunks, piece * chunksPerPiece)) hasFrames = true;
    else clearFrame(within, piece);
  }
  return hasFrames ? within : undefined;
}
