import { rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { decodePiece, packBytes } from '@quarry/content';
import type { PackDescriptor, PackStage } from '@quarry/content';
import { StoreError, ioError } from './errors.ts';
import type { FreeSpace } from './free-space.ts';
import { writeAllFully } from './positional.ts';

/** A file of staged bytes, open. */
export interface StagedFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export interface DiskPackStageDeps {
  readonly file: StagedFile;
  readonly freeSpace: FreeSpace;
  /** Runs a call as one of the store's: rejects when the store is closed or the signal has aborted. */
  readonly run: <T>(signal: AbortSignal | undefined, work: () => Promise<T>) => Promise<T>;
  /** Waits until the file may be added to what is not durable yet. */
  readonly room: (signal: AbortSignal | undefined) => Promise<void>;
  /** Makes a pack of the file, and takes over the file and its handle, whether it succeeds or not. */
  readonly keep: (file: StagedFile, descriptor: PackDescriptor) => Promise<void>;
  /** Nothing of the stage is left but what became a pack. */
  readonly onEnd: () => void;
}

export interface DiskPackStage {
  readonly stage: PackStage;
  /** Removes the file because the store closes. */
  abandon(): Promise<void>;
}

export function createDiskPackStage(deps: DiskPackStageDeps): DiskPackStage {
  const { file } = deps;
  const appending = new Set<Promise<void>>();
  let stagedBytes = 0;
  let failure: unknown;
  let end: 'finished' | 'discarded' | undefined;
  let removing: Promise<void> | undefined;

  /** One failed call fails those after it: what lies in the file is no longer what was appended. */
  const attempt = async (signal: AbortSignal | undefined, work: () => Promise<void>): Promise<void> => {
    if (failure !== undefined) throw failure;
    if (end) throw new TypeError(`this stage was ${end}: begin another`);
    try {
      await deps.run(signal, work);
    } catch (error) {
      failure ??= error;
      throw failure;
    }
  };
  const write = async (buffers: readonly Uint8Array[], bytes: number, position: number): Promise<void> => {
    try {
      await deps.freeSpace.claim(bytes);
      await writeAllFully(file.handle, buffers, position);
    } catch (error) {
      failure ??= ioError(error, 'staging a pack', { position, bytes }); // at once: a `finish` may be waiting for this very write
      throw failure;
    }
  };
  const remove = (): Promise<void> => {
    removing ??= (async () => {
      await Promise.allSettled(appending);
      await removeStagedFile(file);
      deps.onEnd();
    })();
    return removing;
  };

  const append: PackStage['append'] = (buffers, { signal } = {}) =>
    attempt(signal, async () => {
      const position = stagedBytes;
      const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
      stagedBytes += bytes;
      const writing = write(buffers, bytes, position);
      appending.add(writing);
      await writing.finally(() => appending.delete(writing));
    });
  const stage: PackStage = {
    append,
    appendFrame: (frame, plainBytes, waiting) => append([decodePiece(frame, plainBytes)], waiting),
    finish: (descriptor, { signal } = {}) =>
      attempt(signal, async () => {
        await Promise.allSettled(appending);
        if (failure !== undefined) throw failure;
        const expectedBytes = packBytes(descriptor);
        if (stagedBytes !== expectedBytes) {
          await remove();
          throw new StoreError(
            'STORE_STAGE_MISMATCH',
            `pack ${descriptor.id} has ${expectedBytes} bytes, and ${stagedBytes} were staged for it`,
            { details: { pack: descriptor.id, expectedBytes, stagedBytes } },
          );
        }
        if (end) throw new TypeError(`this stage was ${end} while it was being finished`);
        end = 'finished';
        try {
          await deps.room(signal);
        } catch (error) {
          await remove();
          throw error;
        }
        await deps.keep(file, descriptor).finally(deps.onEnd);
      }),
    async discard() {
      if (end) return;
      end = 'discarded';
      await remove();
    },
  };
  return { stage, abandon: remove };
}

/** Never rejects: what could not be removed now is removed at the next open. */
export async function removeStagedFile({ handle, path }: StagedFile): Promise<void> {
  await handle.close().catch(() => {});
  await rm(path, { force: true }).catch(() => {});
}
