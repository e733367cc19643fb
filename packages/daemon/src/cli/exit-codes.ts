import { codesOf } from '../error-codes.ts';

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
    /^(CONFIG_|CLI_|SWARM_BAD_IDENTITY|SWARM_BAD_ADDRESS)|BAD_NAME$|BAD_REQUEST$|BAD_URL$|NO_LISTING$|BAD_RANGE$/,
    'usage',
  ],
  [/(NOT_FOUND|NO_DATA|_GONE|NO_SOURCE|UNKNOWN_PARTS|CHUNKS_ABSENT|ENOENT)$/, 'notFound'],
  [/(LOCKED|EXISTS|BAD_SOCKET|EADDRINUSE|EEXIST)$/, 'conflict'],
  [
    /(DISK_FULL|NO_SPACE|UNUSABLE|VERSION|_IO|ENOSPC|EACCES|EPERM|EROFS|EDQUOT|EISDIR|ENOTDIR|EIO|CONTROL_FORBIDDEN)$/,
    'disk',
  ],
  [/MISMATCH|MALFORMED|SIGNATURE|UNTRUSTED|TOO_LARGE|CORRUPT|CHANGED|DIFFERS|BAD_MANIFEST|CHUNK_BAD/, 'integrity'],
  [
    /(NO_DAEMON|LOST|UNAVAILABLE|STALLED|TRUNCATED|UNAUTHORIZED|FORBIDDEN|CLOSED|UNREACHABLE|REFUSED|BAD_ANSWER|NO_RANGE|ECONNRESET)$/,
    'unavailable',
  ],
];

/** An error that only says that something failed has its meaning in its cause, so causes are followed. */
export function exitCodeFor(error: unknown): number {
  if (isAbort(error)) return exitCodes.interrupted.code;
  const codes = codesOf(error);
  // "nobody has it" may be because the one who has it refused or was silent: then that is what the user must know
  for (const code of codes[0] === 'IMAGE_NOT_FOUND' ? [...codes.slice(1), codes[0]] : codes) {
    const found = patterns.find(([pattern]) => pattern.test(code));
    if (found) return exitCodes[found[1]].code;
  }
  return exitCodes.internal.code;
}

/** The reason our own signal handling aborts with. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

function isAbort(error: unknown): boolean {
  return error instanceof Interrupted || (error instanceof Error && error.cause instanceof Interrupted);
}
