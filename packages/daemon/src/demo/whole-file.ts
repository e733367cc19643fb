import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * A file that appears under its name only when it is whole: until then it is a dot file beside it, which a killed process leaves and the
 * next run overwrites. What is not written stays a hole. Not synced: it survives the death of the process, not of the machine, which is
 * enough for images that can be made again.
 */
export interface WholeFile {
  /** Copies `bytes`; the file's own offset in bytes. Cheapest when each write follows the one before. */
  write(offset: number, bytes: Buffer): Promise<void>;
  /** Gives the file its size and its name. Nothing may be called after. */
  commit(sizeBytes: number): Promise<void>;
  /** Removes what was written. May be called at any time, also after `commit`, when it does nothing. */
  discard(): Promise<void>;
}

const bufferBytes = 1024 * 1024;

/** An existing file of this name is replaced at `commit`. Rejects with the file system's errors. */
export async function createWholeFile(path: string): Promise<WholeFile> {
  const partialPath = join(dirname(path), `.${basename(path)}.partial`);
  const file = await open(partialPath, 'w');
  const buffer = Buffer.allocUnsafe(bufferBytes);
  let bufferOffset = 0;
  let buffered = 0;
  let isOpen = true;

  const flush = async (): Promise<void> => {
    // A write may be short, on a full disk for one; the next then says why.
    for (let at = 0; at < buffered; )
      at += (await file.write(buffer, at, buffered - at, bufferOffset + at)).bytesWritten;
    buffered = 0;
  };
  const close = async (): Promise<void> => {
    isOpen = false;
    await file.close();
  };

  return {
    async write(offset, bytes) {
      if (offset !== bufferOffset + buffered) await flush();
      for (let at = 0; at < bytes.length; ) {
        if (buffered === 0) bufferOffset = offset + at;
        const count = bytes.copy(buffer, buffered, at);
        buffered += count;
        at += count;
        if (buffered === buffer.length) await flush();
      }
    },
    async commit(sizeBytes) {
      await flush();
      await file.truncate(sizeBytes);
      await close();
      await rename(partialPath, path);
    },
    async discard() {
      if (isOpen) await close();
      await rm(partialPath, { force: true });
    },
  };
}
