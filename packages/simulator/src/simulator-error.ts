import { CodedError } from '@quarry/runtime';

export type SimulatorErrorCode =
  /** A word on the command line that does not fit. */
  | 'SIMULATOR_BAD_ARGUMENT'
  /** A file that cannot be written. */
  | 'SIMULATOR_FILE'
  /** A worker of the chaos run ended by itself. */
  | 'SIMULATOR_WORKER_LOST';

export class SimulatorError extends CodedError<SimulatorErrorCode> {}
