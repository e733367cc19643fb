import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '@quarry/runtime';
import { SwarmError } from '../swarm-error.ts';

/** Larger than any key; a file that is not one is not read whole. */
const MAX_SECRET_BYTES = 4096;

export interface SecretFileRules {
  /** What the file holds, for messages: `the cluster key`. */
  readonly what: string;
  /** Permission bits that must not be set, with what to do when they are. */
  readonly forbiddenMode: number;
  readonly remedy: string;
}

/** Reads a small secret, or undefined when there is no such file. Everything else that is wrong is SWARM_BAD_IDENTITY with path and remedy. */
export async function readSecretFile(path: string, rules: SecretFileRules): Promise<Uint8Array | undefined> {
  try {
    await using file = await open(path, 'r');
    const { mode, size } = await file.stat();
    if ((mode & rules.forbiddenMode) !== 0) {
      throw new SwarmError(
        'SWARM_BAD_IDENTITY',
        `${path} holds ${rules.what}, and others may read or write it (mode ${(mode & 0o777).toString(8)}): ${rules.remedy}`,
        { details: { path, mode: mode & 0o777 } },
      );
    }
    if (size > MAX_SECRET_BYTES) {
      throw new SwarmError(
        'SWARM_BAD_IDENTITY',
        `${path} is not ${rules.what}: it has ${size} bytes. Is the path right?`,
        {
          details: { path, size },
        },
      );
    }
    return new Uint8Array(await file.readFile());
  } catch (cause) {
    if (cause instanceof SwarmError) throw cause;
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw new SwarmError(
      'SWARM_BAD_IDENTITY',
      `cannot read ${rules.what} from ${path} (${errorCode(cause) ?? String(cause)}): make it readable by the user that runs Quarry`,
      { details: { path }, cause },
    );
  }
}

/**
 * Makes the file with mode 0600, whole or not at all, also when the machine stops half-way: written beside it, synced, then linked to
 * its name, which fails if somebody else was first. Resolves to whether it was us.
 */
export async function createSecretFile(path: string, bytes: Uint8Array, what: string): Promise<boolean> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeSynced(beside, bytes);
    await link(beside, path);
    await using folder = await open(dirname(path), 'r');
    await folder.sync();
    return true;
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') return false;
    throw new SwarmError(
      'SWARM_BAD_IDENTITY',
      `cannot write ${what} to ${path} (${errorCode(cause) ?? String(cause)}): name a path in a directory that the user that runs Quarry may write`,
      { details: { path }, cause },
    );
  } finally {
    await rm(beside, { force: true });
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(bytes);
  await file.sync();
}
