import { errorCode, isCodedError } from '@quarry/runtime';

/** What the process returns; documented in docs/cli.md, which a test compares with this table. */
export const exitCodes = {
  ok: { code: 0, doc: 'done' },
  internal: { code: 1, doc: 'a bug in Quarry: please report it with the log' },
  usage: { code: 2, doc: 'a wrong argument, option or setting' },
  notFound: { code: 3, doc: 'the image, file or directory does not exist, or nobody has it' },
  unavailable: { code: 4, doc: 'no daemon, no peer or no origin answers; the same command may succeed later' },
  integrity: {
    code: 5,
    doc: 'bytes, a signature or a hash are not what they must be, or the publisher is not trusted',
  },
  conflict: { code: 6, doc: 'something is in the way: the store is in use, the destination exists, the port is taken' },
  disk: { code: 7, doc: 'the local disk is full, or a file may not be read or written' },
  interrupted: { code: 130, doc: 'stopped by Ctrl-C or SIGTERM before the work was done' },
} as const;

export type ExitName = keyof typeof exitCodes;

/** Which exit a coded error means, by the code's words; the first pattern that fits. */
const patterns: readonly (readonly [RegExp, ExitName])[] = [
  [
    /^(CONFIG_|CLI_|CONTENT_BAD_NAME|CONTROL_BAD_REQUEST|ORIGIN_BAD_NAME|.*_NO_LISTING|IDENTITY_|CLUSTER_KEY_|.*_BAD_KEY)/,
    'usage',
  ],
  [/(NOT_FOUND|NO_DATA|_GONE|UNKNOWN_IMAGE|_NO_SOURCE|ENOENT)$/, 'notFound'],
  [/(LOCKED|EXISTS|IN_USE|BAD_SOCKET|EADDRINUSE|EEXIST)$/, 'conflict'],
  [
    /(DISK_FULL|NOT_WRITABLE|UNWRITABLE|UNREADABLE|_IO|ENOSPC|EACCES|EPERM|EROFS|EDQUOT|EISDIR|ENOTDIR|EIO|CONTROL_FORBIDDEN|STORE_VERSION)$/,
    'disk',
  ],
  [/(MISMATCH|MALFORMED|BAD_SIGNATURE|UNTRUSTED|TOO_LARGE|CORRUPT|CHANGED|BAD_CHUNK)/, 'integrity'],
  [
    /(NO_DAEMON|LOST|UNAVAILABLE|STALLED|TRUNCATED|UNAUTHORIZED|FORBIDDEN|CLOSED|UNREACHABLE|REFUSED|TIMEOUT|NO_PEER|ECONN|BAD_ANSWER)/,
    'unavailable',
  ],
];

export function exitCodeFor(error: unknown): number {
  if (isAbort(error)) return exitCodes.interrupted.code;
  for (let cause: unknown = error, depth = 0; depth < 4; depth += 1) {
    const code = effectiveCode(cause);
    const found = code === undefined ? undefined : patterns.find(([pattern]) => pattern.test(code));
    if (found) return exitCodes[found[1]].code;
    if (!(cause instanceof Error)) break;
    cause = cause.cause;
  }
  return exitCodes.internal.code;
}

/** The daemon's own code where a control answer carries one. */
export function effectiveCode(error: unknown): string | undefined {
  if (isCodedError(error) && error.code === 'CONTROL_REMOTE' && typeof error.details.code === 'string')
    return error.details.code;
  return errorCode(error);
}

/** The reason our own signal handling aborts with. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

function isAbort(error: unknown): boolean {
  return error instanceof Interrupted || (error instanceof Error && error.cause instanceof Interrupted);
}
