import { chunkOffset, packBytes, pieceChunks } from '../pack-descriptor.ts';
import type { PackDescriptor } from '../pack-descriptor.ts';
import { decodePiece, encodePiece } from '../piece-encoding.ts';
import type { PackStage } from '../ports/pack-store.ts';
import { MemoryStoreError } from './memory-store-error.ts';

export interface StagedPiece {
  readonly bytes: Uint8Array;
  /** What it is to be kept as, where that is a frame. */
  readonly frame: Uint8Array | undefined;
}

export interface MemoryPackStageDeps {
  /** Throws when the store is closed or the signal has aborted. */
  readonly enter: (signal?: AbortSignal) => void;
  /** All pieces of the pack. */
  readonly keep: (descriptor: PackDescriptor, pieces: readonly StagedPiece[]) => void;
}

interface StagedFrame {
  readonly frame: Uint8Array;
  readonly from: number;
  readonly to: number;
}

export function createMemoryPackStage(deps: MemoryPackStageDeps): PackStage {
  const buffers: Uint8Array[] = [];
  const frames: StagedFrame[] = [];
  let stagedBytes = 0;
  let isDone = false;
  let failure: unknown;

  const clear = (): void => {
    buffers.length = 0;
    frames.length = 0;
  };
  /** One failed call fails those after it: what lies in the stage is no longer what was appended. */
  const attempt = (signal: AbortSignal | undefined, work: () => void): void => {
    if (failure !== undefined) throw failure;
    if (isDone) throw new TypeError('this stage was finished or discarded: begin another');
    try {
      deps.enter(signal);
      work();
    } catch (error) {
      failure = error;
      clear();
      throw error;
    }
  };
  const append = (buffer: Uint8Array): void => {
    buffers.push(buffer);
    stagedBytes += buffer.length;
  };

  return {
    async append(appended, { signal } = {}) {
      attempt(signal, () => {
        for (const buffer of appended) append(new Uint8Array(buffer)); // a Buffer's slice would be no copy
      });
    },
    async appendFrame(frame, plainBytes, { signal } = {}) {
      attempt(signal, () => {
        frames.push({ frame: new Uint8Array(frame), from: stagedBytes, to: stagedBytes + plainBytes });
        append(decodePiece(frame, plainBytes));
      });
    },
    async finish(descriptor, { signal } = {}) {
      attempt(signal, () => {
        const expectedBytes = packBytes(descriptor);
        if (stagedBytes !== expectedBytes) {
          throw new MemoryStoreError(
            'STORE_STAGE_MISMATCH',
            `pack ${descriptor.id} has ${expectedBytes} bytes, and ${stagedBytes} were staged for it`,
            { details: { pack: descriptor.id, expectedBytes, stagedBytes } },
          );
        }
        deps.keep(descriptor, stagedPieces(descriptor, Buffer.concat(buffers), frames));
        clear();
        isDone = true;
      });
    },
    async discard() {
      isDone = true;
      clear();
    },
  };
}

function stagedPieces(descriptor: PackDescriptor, plain: Uint8Array, frames: readonly StagedFrame[]): StagedPiece[] {
  return Array.from({ length: descriptor.pieceCount }, (_, piece) => {
    const { first, count } = pieceChunks(descriptor, piece);
    const [from, to] = [chunkOffset(descriptor, first), chunkOffset(descriptor, first + count)];
    const bytes = plain.subarray(from, to);
    const around = frames.find((frame) => frame.from <= from && to <= frame.to);
    const isWhole = around?.from === from && around.to === to;
    return { bytes, frame: isWhole ? around.frame : around && encodePiece(bytes) };
  });
}
