import { ContentError, decodePiece, fullPieceMask, maskedBytes, pieceChunks } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import { checkOfFrame, frameBytes, frameCheck } from './frame-table.ts';
import type { KnownPack } from './known-packs.ts';
import type { ChunkRun } from './presence.ts';

/** Frames out of pack files. The piece is present as a frame when this is called; who calls sees to it that it still was when this has resolved. */
export interface FrameReader {
  /** The frame, in `into` where that is long enough; undefined if it is not what was written. */
  read(pack: KnownPack, descriptor: PackDescriptor, piece: number, into?: Uint8Array): Promise<Uint8Array | undefined>;
  /** The piece's plain bytes, to be copied from; undefined if the frame is not what was written. */
  decode(pack: KnownPack, descriptor: PackDescriptor, piece: number): Promise<Uint8Array | undefined>;
}

export interface FrameReaderDeps {
  /** Bytes of the pack's file from the run's first chunk on; returns how many there were. */
  readonly readRaw: (pack: KnownPack, descriptor: PackDescriptor, run: ChunkRun, into: Uint8Array) => Promise<number>;
}

/** The piece that was decoded last, or is being decoded: who reads chunk by chunk asks for it again at once. */
interface Decoded {
  readonly pack: KnownPack;
  readonly piece: number;
  /** Chunks of the pack were dropped since: as bad, perhaps. */
  readonly lossCount: number;
  readonly plain: Promise<Uint8Array | undefined>;
}

export function createFrameReader({ readRaw }: FrameReaderDeps): FrameReader {
  let last: Decoded | undefined;

  const read: FrameReader['read'] = async (pack, descriptor, piece, into) => {
    const { frames } = pack.presence;
    const bytes = frameBytes(frames, piece);
    const check = frameCheck(frames, piece);
    const frame = into && into.length >= bytes ? into.subarray(0, bytes) : new Uint8Array(bytes);
    const bytesRead = await readRaw(pack, descriptor, pieceChunks(descriptor, piece), frame);
    return bytesRead === bytes && checkOfFrame(frame) === check ? frame : undefined;
  };
  const decodeNow = async (
    pack: KnownPack,
    descriptor: PackDescriptor,
    piece: number,
  ): Promise<Uint8Array | undefined> => {
    const frame = await read(pack, descriptor, piece);
    if (!frame) return undefined;
    try {
      return decodePiece(frame, maskedBytes(descriptor, piece, fullPieceMask(descriptor, piece)));
    } catch (error) {
      if (error instanceof ContentError) return undefined;
      throw error;
    }
  };
  return {
    read,
    async decode(pack, descriptor, piece) {
      const { lossCount } = pack.presence;
      if (last?.pack === pack && last.piece === piece && last.lossCount === lossCount) return await last.plain;
      const mine: Decoded = { pack, piece, lossCount, plain: decodeNow(pack, descriptor, piece) };
      last = mine;
      try {
        return await mine.plain;
      } catch (error) {
        if (last === mine) last = undefined; // a read that failed may succeed the next time
        throw error;
      }
    },
  };
}
