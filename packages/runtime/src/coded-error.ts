/** Codes are promises, messages are not: callers branch on `code`, people read `message`, tools read `details`. */
export interface CodedErrorOptions {
  /** The nouns of the failure: ids, offsets, expected and actual values. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What made this happen; never dropped. */
  readonly cause?: unknown;
  /** Whether the same call can succeed later. Decided where the error is born, which is the only place that knows. */
  readonly canRetry?: boolean;
}

/** The base of each package's one error class. */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;
  readonly canRetry: boolean;

  constructor(code: Code, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
    this.canRetry = options.canRetry ?? false;
  }

  /** One line of JSON for logs and `--json`; the cause is followed three deep so that a wrapped error still names its root. */
  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      details: this.details,
      canRetry: this.canRetry,
      causes: causesOf(this, 3),
    };
  }
}

export function isCodedError(error: unknown): error is CodedError {
  return error instanceof CodedError;
}

/** The code of one of our errors or of a system error (`ENOSPC`), else undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function causesOf(error: Error, depth: number): string[] {
  if (depth === 0 || !(error.cause instanceof Error)) return [];
  return [error.cause.message, ...causesOf(error.cause, depth - 1)];
}
