import { CodedError } from '@quarry/runtime/coded-error'; // and not all of it: threads that only encode load this, too
import type { CodedErrorOptions } from '@quarry/runtime/coded-error';

export type ContentErrorCode =
  /** Bytes that do not follow FORMAT.md: truncated, non-canonical, out of bounds, unknown version. */
  | 'CONTENT_MALFORMED'
  /** A declared size or count is over the format's limit; nothing of that size was allocated. */
  | 'CONTENT_TOO_LARGE'
  /** Bytes do not have the digest that names them. */
  | 'CONTENT_DIGEST_MISMATCH'
  /** A signature does not fit its statement. */
  | 'CONTENT_BAD_SIGNATURE'
  /** An id or name is not of its form. */
  | 'CONTENT_BAD_NAME';

export class ContentError extends CodedError<ContentErrorCode> {}

export type ContentErrorOptions = CodedErrorOptions;
