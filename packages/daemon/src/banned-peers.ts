import { readFile, rename, writeFile } from 'node:fs/promises';
import { errorCode } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';
import { DaemonError } from './daemon-error.ts';

export interface BannedPeer {
  readonly peer: string;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly sinceMs: number;
}

/** Who sent a wrong byte stays out, also after a restart. The file is JSON, so that an operator can read it, and take a peer out while the daemon is stopped. */
export interface BannedPeers {
  readonly all: readonly BannedPeer[];
  add(peer: string, reason: string): void;
  /** Resolves when what was added is on disk. */
  settled(): Promise<void>;
}

/** @throws DaemonError DAEMON_DIRECTORY_UNUSABLE for a file that is not such a list: guessing would let a liar back in */
export async function loadBannedPeers(
  path: string,
  deps: { readonly clock: Clock; readonly logger: Logger },
): Promise<BannedPeers> {
  const all = await read(path);
  let writing: Promise<void> = Promise.resolve();
  const save = async (): Promise<void> => {
    await writeFile(`${path}.new`, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600, flush: true });
    await rename(`${path}.new`, path);
  };
  return {
    all,
    add(peer, reason) {
      if (all.some((banned) => banned.peer === peer)) return;
      all.push({ peer, reason, sinceMs: Math.floor(deps.clock.wallMs()) });
      writing = writing
        .then(save)
        .catch((error: unknown) => deps.logger.error('cannot remember banned peers', { path, error }));
    },
    settled: () => writing,
  };
}

async function read(path: string): Promise<BannedPeer[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return [];
    throw unusable(path, 'cannot be read', cause);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every(isBannedPeer)) return value;
  } catch (cause) {
    throw unusable(path, 'is not JSON', cause);
  }
  throw unusable(path, 'is not a list of banned peers', undefined);
}

function isBannedPeer(value: unknown): value is BannedPeer {
  return (
    typeof value === 'object' &&
    value !== null &&
    'peer' in value &&
    typeof value.peer === 'string' &&
    'reason' in value &&
    typeof value.reason === 'string'
  );
}

function unusable(path: string, what: string, cause: unknown): DaemonError {
  return new DaemonError(
    'DAEMON_DIRECTORY_UNUSABLE',
    `${path} ${what}: mend it, or delete it to forget who was banned`,
    { cause, details: { path } },
  );
}
