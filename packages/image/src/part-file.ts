import { open, link, lstat, readdir, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { digestHex } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import { destinationExists, destinationFailure } from './destination-failure.ts';
import { ImageError } from './image-error.ts';

/** A file that takes its name only when it is whole. */
export interface PartFile {
  /** For who writes into it on another thread; until `publish` or `discard`, before which such writes must have ended. */
  readonly fd: number;
  /** Positional; calls may overlap. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Makes everything durable (unless told otherwise) and gives the file its name. */
  publish(): Promise<void>;
  /** Removes the file; idempotent, does nothing after `publish`, never rejects. */
  discard(): Promise<void>;
}

export interface PartFileOptions {
  readonly fileBytes: number;
  readonly mayOverwrite: boolean;
  readonly isDurable: boolean;
}

/** NAME_MAX of every file system that matters. */
const MAX_NAME_BYTES = 255;
const RANDOM_BYTES = 6;
/** This process's own, which are no leftovers. */
const active = new Set<string>();

/**
 * Begins `.<name>.quarry-<random>.part` beside the destination, a hole of its full size, and removes what killed runs for the same destination left there.
 * @throws ImageError IMAGE_DESTINATION_EXISTS, IMAGE_DESTINATION_UNUSABLE, IMAGE_NO_SPACE
 */
export async function createPartFile(
  deps: { readonly random: Random },
  destination: string,
  options: PartFileOptions,
): Promise<PartFile> {
  const directory = dirname(destination);
  const prefix = partPrefix(basename(destination));
  const failed = (doing: string, cause: unknown): ImageError => destinationFailure(destination, doing, cause);
  await checkDestination(destination, options.mayOverwrite);
  await removeLeftovers(directory, prefix).catch((cause: unknown) => {
    throw failed('looking through its directory', cause);
  });
  const path = join(directory, `${prefix}${Buffer.from(deps.random.bytes(RANDOM_BYTES)).toString('hex')}.part`);
  active.add(path);
  let file: FileHandle | undefined;
  const discard = async (): Promise<void> => {
    await file?.close().catch(() => {});
    file = undefined;
    if (active.delete(path)) await unlink(path).catch(() => {});
  };
  try {
    file = await open(path, 'wx');
    await file.truncate(options.fileBytes);
  } catch (cause) {
    await discard();
    throw failed('creating a file beside it', cause);
  }
  const opened = file;
  return {
    fd: opened.fd,
    async write(bytes, offset) {
      try {
        for (let at = 0; at < bytes.length; ) {
          const { bytesWritten } = await opened.write(bytes, at, bytes.length - at, offset + at);
          at += bytesWritten;
        }
      } catch (cause) {
        throw failed('writing', cause);
      }
    },
    async publish() {
      try {
        if (options.isDurable) await opened.sync();
        await opened.close();
        file = undefined;
        await takeName(path, destination, options.mayOverwrite);
        active.delete(path);
        if (options.isDurable) await syncDirectory(directory);
      } catch (cause) {
        throw cause instanceof ImageError ? cause : failed('giving it its name', cause);
      }
    },
    discard,
  };
}

/** Where a name is too long to have ours around it, its digest stands for it. */
function partPrefix(name: string): string {
  const prefix = `.${name}.quarry-`;
  if (Buffer.byteLength(prefix) + 2 * RANDOM_BYTES + '.part'.length <= MAX_NAME_BYTES) return prefix;
  return `.${digestHex(Buffer.from(name)).slice(0, 32)}.quarry-`;
}

async function checkDestination(destination: string, mayOverwrite: boolean): Promise<void> {
  const stats = await lstat(destination).catch((cause: unknown) => {
    if (errorCode(cause) === 'ENOENT') return undefined; // its directory is looked at next
    throw destinationFailure(destination, 'looking at it', cause);
  });
  if (!stats) return;
  if (stats.isDirectory()) {
    throw destinationFailure(
      destination,
      'looking at it',
      Object.assign(new Error('it is a directory'), { code: 'EISDIR' }),
    );
  }
  if (!stats.isFile() && !stats.isSymbolicLink()) {
    const cause = Object.assign(new Error('it is a device, a pipe or a socket'), { code: 'EINVAL' });
    throw destinationFailure(destination, 'looking at it', cause);
  }
  if (!mayOverwrite) throw destinationExists(destination);
}

async function removeLeftovers(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!name.startsWith(prefix) || !name.endsWith('.part') || active.has(path)) continue;
    await unlink(path).catch((cause: unknown) => {
      if (errorCode(cause) !== 'ENOENT') throw cause;
    });
  }
}

/** Without permission to overwrite the name is made by `link`, which alone refuses a name that somebody has taken in the meantime. */
async function takeName(path: string, destination: string, mayOverwrite: boolean): Promise<void> {
  if (mayOverwrite) return rename(path, destination);
  try {
    await link(path, destination);
  } catch (cause) {
    const code = errorCode(cause);
    if (code === 'EEXIST') throw destinationExists(destination);
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENOSYS') {
      return rename(path, destination); // a file system without hard links
    }
    throw cause;
  }
  await unlink(path);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
