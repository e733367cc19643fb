import { constants } from 'node:fs';
import { mkdir, open, readdir, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, formatBytes, type Logger } from '@quarry/runtime';
import { GatewayError } from '../gateway-error.ts';

/** Where uploads are kept until Glance has taken them. */
export interface Spool {
  /** A place for one upload. @throws GatewayError GATEWAY_NO_SPOOL where `expectedBytes`, if it is known, do not fit */
  create(expectedBytes: number | undefined): Promise<SpoolFile>;
  /** What the files of now may take, and what they take. */
  readonly usedBytes: number;
}

/**
 * The bytes of one upload. Its file has no name from the moment it is open, so that it is gone with whoever holds it, however that ends; `ls` shows
 * nothing of it, `df` does.
 */
export interface SpoolFile {
  readonly writtenBytes: number;
  /**
   * Not before the last one has resolved.
   * @throws GatewayError GATEWAY_NO_SPOOL where there is no more room, or the disk fails. What was written before stays, and can be read.
   */
  append(bytes: Uint8Array): Promise<void>;
  /** All is written. */
  end(): void;
  /** Nothing more comes, and what is there is not all: readers reject with `reason`. */
  fail(reason: unknown): void;
  /** From the first byte to the last, waiting for what is not written yet. Any number may read at once, each at its own speed. */
  read(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Gives the room back as soon as no reader is in the middle of a read. Readers that are not through reject. */
  release(): Promise<void>;
}

export interface SpoolOptions {
  /** Made if it is missing, for this user alone. */
  readonly directory: string;
  /** What all uploads together may take. */
  readonly maxBytes: number;
  /** What is left free on the file system. */
  readonly reserveBytes: number;
}

const READ_BYTES = 2 ** 20;
/** So much of an upload of unknown length is asked for at a time. */
const CLAIM_BYTES = 16 * 2 ** 20;
const FILE_NAME = /^upload-\d+-\d+\.spool$/;

/** Opens the directory and removes what a process left that was killed while it opened a file. @throws GatewayError GATEWAY_NO_SPOOL where it cannot be used */
export async function openSpool(
  { logger }: { readonly logger: Logger },
  { directory, maxBytes, reserveBytes }: SpoolOptions,
): Promise<Spool> {
  let usedBytes = 0;
  let writtenBytes = 0;
  let made = 0;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) if (FILE_NAME.test(name)) await unlink(join(directory, name));
  } catch (cause) {
    throw noSpool(`the spool directory ${directory} cannot be used (${errorCode(cause)}): who owns it?`, cause);
  }

  const claim = async (bytes: number): Promise<void> => {
    usedBytes += bytes; // before the wait, or two take the same room
    try {
      if (usedBytes > maxBytes) {
        throw noSpool(
          `the spool may hold ${formatBytes(maxBytes)}, and uploads hold all of it: raise its limit, or wait`,
        );
      }
      const { bavail, bsize } = await statfs(directory).catch((cause: unknown) => {
        throw noSpool(`asking how much of ${directory} is free failed (${errorCode(cause)})`, cause);
      });
      const promisedBytes = usedBytes - writtenBytes; // to all of them; not on the disk yet
      if (bavail * bsize - promisedBytes < reserveBytes) {
        const message = `${directory} has ${formatBytes(bavail * bsize)} free, of which ${formatBytes(promisedBytes)} are promised to uploads and ${formatBytes(reserveBytes)} are not for them: free some`;
        throw noSpool(message);
      }
    } catch (error) {
      usedBytes -= bytes;
      throw error;
    }
  };

  return {
    get usedBytes() {
      return usedBytes;
    },
    async create(expectedBytes) {
      await claim(expectedBytes ?? 0);
      const path = join(directory, `upload-${process.pid}-${made++}.spool`);
      try {
        const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
        const handle = await open(path, flags, 0o600);
        await unlink(path);
        return createSpoolFile(handle, expectedBytes ?? 0, {
          claim,
          wrote(bytes) {
            writtenBytes += bytes;
          },
          giveBack(claimed, written) {
            usedBytes -= claimed;
            writtenBytes -= written;
          },
          logger,
        });
      } catch (cause) {
        usedBytes -= expectedBytes ?? 0;
        throw noSpool(`${directory} takes no files (${errorCode(cause)}): who owns it, is it full?`, cause);
      }
    },
  };
}

interface Room {
  claim(bytes: number): Promise<void>;
  wrote(bytes: number): void;
  giveBack(claimedBytes: number, writtenBytes: number): void;
  readonly logger: Logger;
}

function createSpoolFile(handle: FileHandle, firstClaimBytes: number, room: Room): SpoolFile {
  let claimedBytes = firstClaimBytes;
  let writtenBytes = 0;
  let hasEnded = false;
  let failed: { readonly reason: unknown } | undefined;
  let isReleased = false;
  let reads = 0;
  const waiting = new Set<() => void>();
  const wakeAll = (): void => {
    for (const wake of waiting) wake();
    waiting.clear();
  };
  const changed = (): Promise<void> => new Promise((resolve) => waiting.add(resolve));

  const readAt = async (at: number): Promise<Uint8Array> => {
    reads += 1;
    try {
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, writtenBytes - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error(`the spool's file ends at ${at} of ${writtenBytes} bytes`);
      return buffer.subarray(0, bytesRead);
    } finally {
      reads -= 1;
      if (isReleased) wakeAll();
    }
  };

  return {
    get writtenBytes() {
      return writtenBytes;
    },
    async append(bytes) {
      if (writtenBytes + bytes.length > claimedBytes) {
        const more = Math.max(CLAIM_BYTES, bytes.length);
        await room.claim(more);
        claimedBytes += more;
      }
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle
          .write(bytes, done, bytes.length - done, writtenBytes + done)
          .catch((cause: unknown) => {
            throw noSpool(
              `writing to the spool failed (${errorCode(cause)}) after ${formatBytes(writtenBytes)}`,
              cause,
            );
          });
        done += bytesWritten;
      }
      writtenBytes += bytes.length;
      room.wrote(bytes.length);
      wakeAll();
    },
    end() {
      hasEnded = true;
      wakeAll();
    },
    fail(reason) {
      failed ??= { reason };
      wakeAll();
    },
    async *read() {
      for (let at = 0; ; ) {
        if (failed) throw failed.reason;
        if (at < writtenBytes) {
          const bytes = await readAt(at);
          at += bytes.length;
          yield bytes;
        } else if (hasEnded) return;
        else await changed();
      }
    },
    async release() {
      if (isReleased) return;
      isReleased = true;
      failed ??= { reason: new GatewayError('GATEWAY_NO_SPOOL', 'the upload was removed from the spool') };
      wakeAll();
      while (reads > 0) await changed();
      await handle.close().catch((error: unknown) => {
        room.logger.warn('a file of the spool could not be closed', { code: errorCode(error) });
      });
      room.giveBack(claimedBytes, writtenBytes);
    },
  };
}

function noSpool(message: string, cause?: unknown): GatewayError {
  return new GatewayError('GATEWAY_NO_SPOOL', message, { cause });
}
