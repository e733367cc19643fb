import { CodedError } from '@quarry/runtime';

export type DaemonErrorCode =
  /** Nothing is known here of the image that was named. */
  | 'DAEMON_IMAGE_NOT_FOUND'
  /** What was named for seeding is not there, or nothing can be listed. */
  | 'DAEMON_SEED_NOT_FOUND'
  /** A value in a request that does not fit: a hash, a path. */
  | 'DAEMON_BAD_REQUEST'
  /** The file to make exists. */
  | 'DAEMON_DESTINATION_EXISTS'
  /** The data directory cannot be made or used. */
  | 'DAEMON_DIRECTORY_UNUSABLE';

export class DaemonError extends CodedError<DaemonErrorCode> {}
