import { CodedError } from '@quarry/runtime';

export type StormErrorCode =
  | 'STORM_BAD_ARGUMENT'
  /** Root, Linux, `ip` or `tc` are missing, or the kernel refuses. */
  | 'STORM_IMPOSSIBLE_HERE'
  /** The scenario asks for what real processes cannot be brought to. */
  | 'STORM_UNSUPPORTED'
  /** A process that the storm needs ended or did not get ready. */
  | 'STORM_PART_FAILED'
  | 'STORM_FILE';

export class StormError extends CodedError<StormErrorCode> {}
