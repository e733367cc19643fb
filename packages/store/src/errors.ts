import { CodedError, errorCode } from '@quarry/runtime';
import type { CodedErrorOptions } from '@quarry/runtime';

export type StoreErrorCode =
  /** The store was closed, or is being closed. Open it again. */
  | 'STORE_CLOSED'
  /** A pack that was never added, or has been evicted since. Add it first. */
  | 'STORE_PACK_UNKNOWN'
  /** A chunk that is not here: never written, dropped as bad, or its pack was evicted while it was being read. Fetch it. */
  | 'STORE_CHUNK_ABSENT'
  /** The bytes staged are not as many as the pack has. The stage is dropped. */
  | 'STORE_STAGE_MISMATCH'
  /** No room, quota, or only the reserve left. Nothing that was present is lost; can be retried when there is room. */
  | 'STORE_DISK_FULL'
  /** The operating system failed to read or write (`EIO` and the like): the cause says what. */
  | 'STORE_IO'
  /** Another process, or another store in this one, has the directory open. */
  | 'STORE_LOCKED'
  /** The directory was written by a newer version. */
  | 'STORE_VERSION'
  /** The directory cannot hold a store: it is a file, not writable, or full of something else. */
  | 'STORE_UNUSABLE'
  /** The index cannot be read any more. The packs are a cache: remove the directory and they are fetched again. */
  | 'STORE_DAMAGED';

/** Everything the store rejects with, misuse by the programmer (TypeError) aside. */
export class StoreError extends CodedError<StoreErrorCode> {}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
/** LevelDB passes on only the text of what the operating system said. */
const FULL_TEXT = /no space left|quota exceeded|file too large/i;

/** Whether the disk, a quota or a limit is full, by a system error or by one of the index. */
export function isDiskFull(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof StoreError && each.code === 'STORE_DISK_FULL') return true;
    if (FULL.has(errorCode(each) ?? '') || FULL_TEXT.test(each.message)) return true;
  }
  return false;
}

/** A failed file or index operation as one of ours. What is ours already passes through. */
export function ioError(cause: unknown, doing: string, details: CodedErrorOptions['details'] = {}): StoreError {
  if (cause instanceof StoreError) return cause;
  if (isDiskFull(cause)) {
    return new StoreError('STORE_DISK_FULL', `there is no room for ${doing}: free some, or lower the cache's size`, {
      cause,
      details,
      canRetry: true,
    });
  }
  const said = cause instanceof Error ? cause.message : String(cause);
  return new StoreError('STORE_IO', `${doing} failed (${said}): look at the disk and the system's log`, {
    cause,
    details,
  });
}

export function closedError(directory: string): StoreError {
  return new StoreError('STORE_CLOSED', `the store in ${directory} is closed: open it again`, {
    details: { directory },
  });
}
