import { errorCode, isCodedError } from '@quarry/runtime';

/** The codes of an error and of its causes, outermost first; across the control socket too. */
export function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let cause = error, depth = 0; cause !== undefined && depth < 5; depth += 1) {
    if (isCodedError(cause) && Array.isArray(cause.details.codes)) codes.push(...cause.details.codes.map(String));
    else codes.push(...[errorCode(cause)].filter((code) => code !== undefined));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return codes;
}
