import { CodedError } from '@quarry/runtime';

export type ConfigErrorCode =
  /** A file that cannot be read or is not TOML. */
  | 'CONFIG_UNREADABLE'
  /** A key that does not exist. */
  | 'CONFIG_UNKNOWN_KEY'
  /** A value that is not of the key's kind, or settings that do not go together. */
  | 'CONFIG_BAD_VALUE';

export class ConfigError extends CodedError<ConfigErrorCode> {}
