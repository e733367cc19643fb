import { CodedError } from '@quarry/runtime';

export type OriginErrorCode =
  /** No image is called that, or not for this token (404). */
  | 'ORIGIN_NOT_FOUND'
  /** The image is gone for good (410). */
  | 'ORIGIN_GONE'
  /** The origin wants a token, or another one (401). */
  | 'ORIGIN_UNAUTHORIZED'
  /** The token, or this process, may not read the image, or it is deactivated (403). */
  | 'ORIGIN_FORBIDDEN'
  /** The image has a record and no data: still queued or saving, or its data is lost (204). */
  | 'ORIGIN_NO_DATA'
  /** The image is not the one that was described any more. Describe it again. */
  | 'ORIGIN_CHANGED'
  /** The stream ended, or the file does, before the image does. */
  | 'ORIGIN_TRUNCATED'
  /** Nothing came for the idle timeout. */
  | 'ORIGIN_STALLED'
  /** The origin cannot read from the middle, and the offset is too far away to read and throw away what lies before. */
  | 'ORIGIN_NO_RANGE'
  /** The origin cannot say what it has. */
  | 'ORIGIN_NO_LISTING'
  /** Refused, reset, unreachable, overloaded or broken (5xx, 429): the same call can succeed later. */
  | 'ORIGIN_UNAVAILABLE'
  /** Not what the protocol says, a redirect, or a status without a meaning here. */
  | 'ORIGIN_BAD_ANSWER'
  /** The URL given for the origin cannot be used. */
  | 'ORIGIN_BAD_URL'
  /** The origin was closed. */
  | 'ORIGIN_CLOSED';

/** Everything an origin rejects with, misuse by the programmer (TypeError) and the caller's own abort reason aside. Never holds a token. */
export class OriginError extends CodedError<OriginErrorCode> {}
