import { CodedError } from '@quarry/runtime';

/** The codes that the ports promise, as far as memory can meet them: it has no disk to fill and no directory to lock. */
export type MemoryStoreErrorCode =
  | 'STORE_CLOSED'
  | 'STORE_PACK_UNKNOWN'
  | 'STORE_CHUNK_ABSENT'
  | 'STORE_STAGE_MISMATCH';

export class MemoryStoreError extends CodedError<MemoryStoreErrorCode> {}
