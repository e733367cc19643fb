import { decodePiece } from '../piece-encoding.ts';
import { packBytes } from '../pack-descriptor.ts';
import type { PackDescriptor } from '../pack-descriptor.ts';
import type { PackStage } from '../ports/pack-store.ts';
import { MemoryStoreError } from './memory-store-error.ts';

export interface MemoryPackStageDeps {
  /** Throws when the store is closed or the signal has aborted. */
  readonly enter: (signal?: AbortSignal) => void;
  readonly keep: (descriptor: PackDescriptor, bytes: Uint8Array) => void;
}

export function createMemoryPackStage(deps: MemoryPackStageDeps): PackStage {
  const buffers: Uint8Array[] = [];
  let stagedBytes = 0;
  let isDone = false;
  let failure: unknown;

  /** One failed call fails those after it: what lies in the stage is no longer what was appended. */
  const attempt = (signal: AbortSignal | undefined, work: () => void): void => {
    if (failure !== undefined) throw failure;
    if (isDone) throw new TypeError('this stage was finished or discarded: begin another');
    try {
      deps.enter(signal);
      work();
    } catch (error) {
      failure = error;
      buffers.length = 0;
      throw error;
    }
  };

  const append: PackStage['append'] = async (appended, { signal } = {}) =>
    attempt(signal, () => {
      for (const buffer of appended) {
        buffers.push(new Uint8Array(buffer)); // a Buffer's slice would be no copy
        stagedBytes += buffer.length;
      }
    });
  return {
    append,
    appendFrame: async (frame, plainBytes, waiting) => append([decodePiece(frame, plainBytes)], waiting),
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
        deps.keep(descriptor, Buffer.concat(buffers));
        buffers.length = 0;
        isDone = true;
      });
    },
    async discard() {
      isDone = true;
      buffers.length = 0;
    },
  };
}
