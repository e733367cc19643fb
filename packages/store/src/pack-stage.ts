import { rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { ContentError, limits, packBytes } from '@quarry/content';
import type { PackDescriptor, PackStage } from '@quarry/content';
import { StoreError, ioError } from './errors.ts';
import { checkOfFrame } from './frame-table.ts';
import type { FrameTable } from './frame-table.ts';
import type { FreeSpace } from './free-space.ts';
import { writeAllFully } from './positional.ts';
import { fitFrames, refitFrames } from './staged-frames.ts';
import type { StagedFrame } from './staged-frames.ts';

/** A file of staged bytes, open. */
export interface StagedFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export interface DiskPackStageDeps {
  readonly file: StagedFile;
  /** Begins another file for the same stage. */
  readonly openFile: () => Promise<StagedFile>;
  /** A file of the stage is gone, or is the pack's now. */
  readonly onFileEnd: (file: StagedFile) => void;
  readonly freeSpace: FreeSpace;
  /** Runs a call as one of the store's: rejects when the store is closed or the signal has aborted. */
  readonly run: <T>(signal: AbortSignal | undefined, work: () => Promise<T>) => Promise<T>;
  /** Waits until the file may be added to what is not durable yet. */
  readonly room: (signal: AbortSignal | undefined) => Promise<void>;
  /** Makes a pack of the file, and takes over the file and its handle, whether it succeeds or not. */
  readonly keep: (file: StagedFile, descriptor: PackDescriptor, frames: FrameTable) => Promise<void>;
  /** Nothing of the stage is left but what became a pack. */
  readonly onEnd: () => void;
}

export interface DiskPackStage {
  readonly stage: PackStage;
  /** Removes the file because the store closes. */
  abandon(): Promise<void>;
}

/** Puts bytes into the file. */
type Put = (handle: FileHandle, position: number) => Promise<void>;

export function createDiskPackStage(deps: DiskPackStageDeps): DiskPackStage {
  let { file } = deps;
  const appending = new Set<Promise<void>>();
  const frames: StagedFrame[] = [];
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
  const write = async (put: Put, bytes: number, position: number): Promise<void> => {
    try {
      await deps.freeSpace.claim(bytes);
      await put(file.handle, position);
    } catch (error) {
      failure ??= ioError(error, 'staging a pack', { position, bytes }); // at once: a `finish` may be waiting for this very write
      throw failure;
    }
  };
  /** Bytes that stand for `plainBytes` of the pack. */
  const place = async (put: Put, bytes: number, plainBytes: number): Promise<void> => {
    const position = stagedBytes;
    stagedBytes += plainBytes;
    const writing = write(put, bytes, position);
    appending.add(writing);
    await writing.finally(() => appending.delete(writing));
  };
  const remove = (): Promise<void> => {
    removing ??= (async () => {
      await Promise.allSettled(appending);
      await removeStagedFile(file);
      deps.onFileEnd(file);
      deps.onEnd();
    })();
    return removing;
  };
  /** The frames as the pack's: as a rule they are its pieces, and nothing is to be done. */
  const fit = async (descriptor: PackDescriptor): Promise<FrameTable> => {
    const fitting = fitFrames(descriptor, frames);
    if (fitting) return fitting;
    const staged = file;
    const refitted = await deps.openFile();
    try {
      const table = await refitFrames(staged, refitted, descriptor, frames, (bytes) => deps.freeSpace.claim(bytes));
      file = refitted;
      return table;
    } catch (error) {
      throw ioError(error, `cutting the staged frames of pack ${descriptor.id}`, { pack: descriptor.id });
    } finally {
      const other = file === refitted ? staged : refitted;
      await removeStagedFile(other);
      deps.onFileEnd(other);
    }
  };

  const stage: PackStage = {
    append: (buffers, { signal } = {}) =>
      attempt(signal, async () => {
        const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
        await place((handle, position) => writeAllFully(handle, buffers, position), bytes, bytes);
      }),
    appendFrame: (frame, plainBytes, { signal } = {}) =>
      attempt(signal, async () => {
        checkFrame(frame, plainBytes);
        frames.push({
          from: stagedBytes,
          to: stagedBytes + plainBytes,
          bytes: frame.length,
          check: checkOfFrame(frame),
        });
        await place((handle, position) => writeAllFully(handle, [frame], position), frame.length, plainBytes);
      }),
    appendBy: (bytes, put, { signal } = {}) =>
      attempt(signal, () => place(({ fd }, position) => put({ fd, position }), bytes, bytes)),
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
        let table: FrameTable;
        try {
          table = await fit(descriptor);
          await deps.room(signal);
        } catch (error) {
          await remove();
          throw error;
        }
        await deps.keep(file, descriptor, table).finally(() => {
          deps.onFileEnd(file);
          deps.onEnd();
        });
      }),
    async discard() {
      if (end) return;
      end = 'discarded';
      await remove();
    },
  };
  return { stage, abandon: remove };
}

/** What `decodePiece` would refuse for its size alone. */
function checkFrame(frame: Uint8Array, plainBytes: number): void {
  if (Number.isInteger(plainBytes) && plainBytes <= limits.maxPieceBytes && frame.length < plainBytes) return;
  throw new ContentError('CONTENT_MALFORMED', `no piece of ${plainBytes} bytes is a frame of ${frame.length}`, {
    details: { plainBytes, frameBytes: frame.length },
  });
}

/** Never rejects: what could not be removed now is removed at the next open. */
export async function removeStagedFile({ handle, path }: StagedFile): Promise<void> {
  await handle.close().catch(() => {});
  await rm(path, { force: true }).catch(() => {});
}
