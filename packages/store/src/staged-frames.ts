import { chunkOffset, decodePiece, encodePiece, pieceChunks } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import { checkOfFrame, createFrameTable, setFrame } from './frame-table.ts';
import type { FrameTable } from './frame-table.ts';
import { readFully, writeFully } from './positional.ts';
import type { StagedFile } from './pack-stage.ts';

/** A frame in a staged file: it lies where its plain bytes would begin. */
export interface StagedFrame {
  readonly from: number;
  /** Where its plain bytes would end. */
  readonly to: number;
  readonly bytes: number;
  readonly check: number;
}

/** The frames as those of the pack's pieces; undefined if one of them is not exactly a piece. In the order of their places. */
export function fitFrames(descriptor: PackDescriptor, frames: readonly StagedFrame[]): FrameTable | undefined {
  const table = createFrameTable(descriptor.chunkCount);
  let piece = 0;
  for (const frame of frames) {
    while (piece < descriptor.pieceCount && placeOf(descriptor, piece).from < frame.from) piece += 1;
    const place = piece < descriptor.pieceCount ? placeOf(descriptor, piece) : undefined;
    if (place?.from !== frame.from || place.to !== frame.to) return undefined;
    setFrame(table, piece, frame.bytes, frame.check);
  }
  return table;
}

/**
 * Copies a staged file whose frames are not the pack's pieces into another, piece by piece: what is a piece stays a frame, what holds several becomes several
 * where that is worth while, the rest becomes plain. Another file, because frames that are cut up would leave what nobody reads, and takes room, in their own.
 */
export async function refitFrames(
  from: StagedFile,
  to: StagedFile,
  descriptor: PackDescriptor,
  frames: readonly StagedFrame[],
  claim: (bytes: number) => Promise<void>,
): Promise<FrameTable> {
  const table = createFrameTable(descriptor.chunkCount);
  const source = createStagedSource(from, frames);
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const place = placeOf(descriptor, piece);
    const around = frames.find((frame) => frame.from <= place.from && place.to <= frame.to);
    let frame: Uint8Array | undefined;
    let plain: Uint8Array | undefined;
    if (around && around.to - around.from === place.to - place.from) frame = await source.readFrame(around);
    else {
      plain = await source.readPlain(place.from, place.to);
      frame = around && encodePiece(plain);
    }
    const bytes = frame ?? plain ?? new Uint8Array(0);
    await claim(bytes.length);
    await writeFully(to.handle, bytes, place.from);
    if (frame) setFrame(table, piece, frame.length, checkOfFrame(frame));
  }
  return table;
}

interface StagedSource {
  readFrame(frame: StagedFrame): Promise<Uint8Array>;
  /** Plain bytes, of whatever they are in. */
  readPlain(from: number, to: number): Promise<Uint8Array>;
}

function createStagedSource({ handle }: StagedFile, frames: readonly StagedFrame[]): StagedSource {
  let last: { readonly frame: StagedFrame; readonly plain: Uint8Array } | undefined;

  const fill = async (into: Uint8Array, position: number): Promise<void> => {
    if ((await readFully(handle, into, position)) < into.length) throw new Error('the staged file was cut');
  };
  const readFrame: StagedSource['readFrame'] = async (frame) => {
    const bytes = new Uint8Array(frame.bytes);
    await fill(bytes, frame.from);
    return bytes;
  };
  const decode = async (frame: StagedFrame): Promise<Uint8Array> => {
    if (last?.frame !== frame) last = { frame, plain: decodePiece(await readFrame(frame), frame.to - frame.from) };
    return last.plain;
  };
  return {
    readFrame,
    async readPlain(from, to) {
      const out = new Uint8Array(to - from);
      let at = from;
      for (const frame of frames) {
        if (frame.to <= at || frame.from >= to) continue;
        if (frame.from > at) await fill(out.subarray(at - from, frame.from - from), at);
        const [start, end] = [Math.max(at, frame.from), Math.min(to, frame.to)];
        out.set((await decode(frame)).subarray(start - frame.from, end - frame.from), start - from);
        at = end;
      }
      if (at < to) await fill(out.subarray(at - from), at);
      return out;
    },
  };
}

function placeOf(descriptor: PackDescriptor, piece: number): { readonly from: number; readonly to: number } {
  const { first, count } = pieceChunks(descriptor, piece);
  return { from: chunkOffset(descriptor, first), to: chunkOffset(descriptor, first + count) };
}
