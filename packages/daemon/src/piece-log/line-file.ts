import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Clock, Logger } from '@quarry/runtime';
import { DaemonError } from '../daemon-error.ts';

/** A file to which lines are added in the background. Nobody waits for it, and what goes wrong with it costs lines, nothing else. */
export interface LineFile {
  /** Without the line's end. */
  add(line: string): void;
  /** Resolves when what was added is written, or cannot be, or has not been for a second. */
  close(): Promise<void>;
}

export interface LineFileOptions {
  readonly path: string;
  /** Written as a line of its own, as soon as one can be written again. */
  readonly lostLine: (lines: number) => string;
  /** Characters that may wait for the disk; what comes then is lost. */
  readonly maxWaiting?: number;
}

/** Who reads the file while the daemon runs sees what is older than this. */
const FLUSH_MS = 200;
/** More at once is no faster. */
const FLUSH_LENGTH = 64 * 1024;
const MAX_WAITING = 1024 * 1024;
const CLOSE_MS = 1000;

/** @throws DaemonError DAEMON_FILE_UNUSABLE when the file can neither be made nor added to */
export async function openLineFile(
  deps: { readonly clock: Clock; readonly logger: Logger },
  { path, lostLine, maxWaiting = MAX_WAITING }: LineFileOptions,
): Promise<LineFile> {
  const { clock, logger } = deps;
  const handle = await openToAppend(path);
  let lines: string[] = [];
  /** Characters, those that are being written among them. */
  let waiting = 0;
  let lost = 0;
  let isFailing = false;
  let isClosed = false;
  let writing: Promise<void> | undefined;
  let cancelFlush: (() => void) | undefined;

  const write = async (): Promise<void> => {
    while (lines.length > 0) {
      const batch = lines;
      lines = [];
      // What failed may have left the beginning of a line behind.
      const head = isFailing ? '\n' : '';
      const tail = lost > 0 ? `${lostLine(lost)}\n` : '';
      const told = lost;
      const length = batch.reduce((sum, line) => sum + line.length, 0);
      try {
        await handle.appendFile(`${head}${batch.join('\n')}\n${tail}`);
        lost -= told;
        isFailing = false;
      } catch (error) {
        lost += batch.length;
        if (!isFailing) logger.warn('the piece log cannot be written: lines are lost', { path, error });
        isFailing = true;
      }
      waiting -= length;
    }
  };
  const flush = (): void => {
    cancelFlush?.();
    cancelFlush = undefined;
    writing ??= write().finally(() => {
      writing = undefined;
    });
  };

  return {
    add(line) {
      if (isClosed) return;
      if (waiting + line.length > maxWaiting) {
        lost += 1;
        return;
      }
      lines.push(line);
      waiting += line.length;
      if (writing) return; // goes on with it
      if (waiting >= FLUSH_LENGTH && !isFailing) flush();
      else cancelFlush ??= clock.after(FLUSH_MS, flush);
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      flush();
      const late = new AbortController();
      const ended = (async () => {
        await writing;
        await handle.close();
      })().catch((error: unknown) => logger.warn('the piece log cannot be closed', { path, error }));
      // A disk that hangs does not keep the daemon.
      await Promise.race([ended, clock.sleep(CLOSE_MS, { signal: late.signal }).catch(() => {})]);
      late.abort();
    },
  };
}

async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a', 0o600);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DaemonError('DAEMON_FILE_UNUSABLE', `cannot add to ${path}: ${why}; name another with --piece-log`, {
      cause,
      details: { path },
    });
  }
}
