import { CodedError } from '@quarry/runtime';

export type DaemonErrorCode =
  /** Nothing is known here of the image that was named. */
  | 'DAEMON_IMAGE_NOT_FOUND'
  /** Glance says now that the image has another size or hash than a moment ago. */
  | 'DAEMON_IMAGE_CHANGED'
  /** What was to be fetched ahead could not be, or not everywhere. */
  | 'DAEMON_PREFETCH_INCOMPLETE'
  /** What was named for seeding is not there, or nothing can be listed. */
  | 'DAEMON_SEED_NOT_FOUND'
  /** Nobody whom this node trusts vouches for the image, and no hash is known to hold it against. */
  | 'DAEMON_PUBLISHER_UNTRUSTED'
  /** A value in a request that does not fit: a hash, a path. */
  | 'DAEMON_BAD_REQUEST'
  /** Glance does not say that this caller may read the image, or not what it must hash to. */
  | 'DAEMON_READ_REFUSED'
  /** The file to make exists. */
  | 'DAEMON_DESTINATION_EXISTS'
  /** The data directory cannot be made or used. */
  | 'DAEMON_DIRECTORY_UNUSABLE'
  /** The piece log cannot be opened. */
  | 'DAEMON_FILE_UNUSABLE';

export class DaemonError extends CodedError<DaemonErrorCode> {}
