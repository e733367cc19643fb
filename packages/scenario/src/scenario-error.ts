import { CodedError } from '@quarry/runtime';

export type ScenarioErrorCode =
  /** There is no scenario of this name. */
  | 'SCENARIO_NOT_FOUND'
  /** A file that cannot be read or is not TOML. */
  | 'SCENARIO_UNREADABLE'
  /** A key that does not exist. */
  | 'SCENARIO_UNKNOWN_KEY'
  /** A value of the wrong kind, a key that is missing, or keys that do not go together. */
  | 'SCENARIO_BAD_VALUE'
  /** The scenario is well formed but cannot happen with so many hosts. */
  | 'SCENARIO_IMPOSSIBLE';

export class ScenarioError extends CodedError<ScenarioErrorCode> {}
