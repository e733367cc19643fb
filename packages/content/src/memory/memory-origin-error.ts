import { CodedError } from '@quarry/runtime';

export type MemoryOriginErrorCode =
  /** No image is called that. */
  | 'ORIGIN_NOT_FOUND'
  /** The image was replaced since it was described. Describe it again. */
  | 'ORIGIN_CHANGED'
  /** The origin was closed. */
  | 'ORIGIN_CLOSED';

export class MemoryOriginError extends CodedError<MemoryOriginErrorCode> {}
