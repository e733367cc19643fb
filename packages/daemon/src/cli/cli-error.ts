import { CodedError } from '@quarry/runtime';

export type CliErrorCode =
  /** A word on the command line that does not fit. */
  | 'CLI_BAD_ARGUMENT'
  /** Some of what was asked was done, some was not: the message lists it. */
  | 'CLI_INCOMPLETE';

export class CliError extends CodedError<CliErrorCode> {}
