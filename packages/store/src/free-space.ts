import { statfs } from 'node:fs/promises';
import { formatBytes } from '@quarry/runtime';
import { StoreError, ioError } from './errors.ts';

/**
 * Keeps the last of the disk for the index: marks, pins and evictions must be writable when no more chunk is. Asks the file system
 * again after every few written MiB; in between it counts down.
 */
export interface FreeSpace {
  /** @throws StoreError STORE_DISK_FULL if writing `bytes` would reach into the reserve */
  claim(bytes: number): Promise<void>;
}

const ASK_AGAIN_BYTES = 16 * 2 ** 20;

export function createFreeSpace(options: { readonly directory: string; readonly reserveBytes: number }): FreeSpace {
  const { directory, reserveBytes } = options;
  let freeBytes = 0;
  let trustedBytes = 0;

  const ask = async (): Promise<void> => {
    const { bavail, bsize } = await statfs(directory).catch((error: unknown) => {
      throw ioError(error, `asking how much of ${directory} is free`, { directory });
    });
    freeBytes = bavail * bsize;
    trustedBytes = ASK_AGAIN_BYTES;
  };
  return {
    async claim(bytes) {
      if (bytes > trustedBytes || freeBytes - bytes < reserveBytes) await ask();
      if (freeBytes - bytes < reserveBytes) {
        throw new StoreError(
          'STORE_DISK_FULL',
          `${directory} has ${formatBytes(freeBytes)} free, of which ${formatBytes(reserveBytes)} are kept for the index: free some, or lower the cache's size`,
          { details: { directory, freeBytes, reserveBytes }, canRetry: true },
        );
      }
      freeBytes -= bytes;
      trustedBytes -= bytes;
    },
  };
}
