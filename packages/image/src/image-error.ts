import { CodedError, errorCode, isCodedError } from '@quarry/runtime';

export type ImageErrorCode =
  /** Reading the source failed, or it changed while it was read; `cause` says how. Nothing was published. */
  | 'IMAGE_SOURCE_FAILED'
  /** The source ended before, or went on after, the size that was announced. Nothing was published. */
  | 'IMAGE_SIZE_MISMATCH'
  /** The bytes do not have the whole-image hash that they should have. */
  | 'IMAGE_HASH_MISMATCH'
  /** Larger than the format can say. */
  | 'IMAGE_TOO_LARGE'
  /** No room left, in the store or where the image is put together; `cause` and `details` say which. */
  | 'IMAGE_NO_SPACE'
  /** The store refused or failed; `cause` says how. */
  | 'IMAGE_STORE_FAILED'
  /** A thread that hashes or encodes has died; nothing was published or written. */
  | 'IMAGE_THREAD_FAILED'
  /** Nobody knows the image: no record here or among the peers, and no origin that has it. */
  | 'IMAGE_NOT_FOUND'
  /** Records exist, but nobody trusted made them and there is no hash to hold the image against. */
  | 'IMAGE_UNTRUSTED'
  /** A record is known, but neither this host nor a peer has its manifest or one of its packs' descriptors. */
  | 'IMAGE_UNKNOWN_PARTS'
  /** A manifest asks a pack for chunks that it does not have, or of another length, or of a foreign domain. */
  | 'IMAGE_BAD_MANIFEST'
  /** Chunks that the image needs are not in the store, and nobody could give them. */
  | 'IMAGE_CHUNKS_ABSENT'
  /** A chunk in the store does not have its digest, and could not be fetched anew. */
  | 'IMAGE_CHUNK_BAD'
  /** The origin has other bytes at this place than the manifest says. */
  | 'IMAGE_ORIGIN_DIFFERS'
  /** The destination exists and may not be overwritten. */
  | 'IMAGE_DESTINATION_EXISTS'
  /** The destination cannot be written: a directory, no permission, no such directory; `details.systemCode` says which. */
  | 'IMAGE_DESTINATION_UNUSABLE'
  /** A file that should be the image is not; `details.offset` is the first chunk that differs. */
  | 'IMAGE_FILE_DIFFERS'
  /** Bytes that a reader needs next have stayed away for too long, and the origin could not give them either. */
  | 'IMAGE_STALLED'
  /** A part of the image was asked for that lies outside of it. */
  | 'IMAGE_BAD_RANGE';

export class ImageError extends CodedError<ImageErrorCode> {}

/**
 * What a store threw, as one of ours. A full disk gets the code that callers look for; an abort and our own errors pass as they are.
 */
export function storeFailure(doing: string, cause: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted || cause instanceof ImageError) return cause;
  const code = errorCode(cause);
  if (code === 'STORE_DISK_FULL' || code === 'ENOSPC') {
    return new ImageError(
      'IMAGE_NO_SPACE',
      `the store's disk is full while ${doing}: free some space or lower its budget`,
      {
        cause,
        canRetry: true,
      },
    );
  }
  if (!isCodedError(cause) && code === undefined) return cause; // a fault of ours: keep its stack
  return new ImageError('IMAGE_STORE_FAILED', `the store failed while ${doing}: ${messageOf(cause)}`, {
    cause,
    details: { storeCode: code },
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
