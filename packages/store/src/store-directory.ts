import { chmod, mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { StoreError, ioError, isDiskFull } from './errors.ts';

/**
 * What lies in a store's directory:
 *   FORMAT      "quarry-store 2"
 *   holder      the process that has it open, for the message that a second one gets
 *   index/      LevelDB: what is known about packs and images; its lock is the lock of the store
 *   packs/ab/   <id>.pack (sparse; a chunk at its offset, or a frame where its piece begins) and <id>.descriptor
 *   stages/     packs in the making; cleared at open
 */
export interface StoreDirectory {
  readonly path: string;
  readonly index: string;
  readonly packs: string;
  readonly stages: string;
}

const FORMAT = /^quarry-store (\d{1,9})\n$/;
/** 1 had no frames. It is read; what would not understand frames is told so by the mark (`markFormat`). */
const VERSION = 2;
const PRIVATE_DIRECTORY = 0o700;
export const PRIVATE_FILE = 0o600;

/** Makes the directory if need be and checks that it is a store of this version. Changes nothing of what is not ours. */
export async function openStoreDirectory(path: string): Promise<StoreDirectory> {
  const directory = { path, index: join(path, 'index'), packs: join(path, 'packs'), stages: join(path, 'stages') };
  try {
    await mkdir(path, { recursive: true, mode: PRIVATE_DIRECTORY });
    await checkFormat(path);
    await chmod(path, PRIVATE_DIRECTORY);
    for (const part of [directory.index, directory.packs, directory.stages]) {
      await mkdir(part, { recursive: true, mode: PRIVATE_DIRECTORY });
    }
    await syncDirectory(path);
  } catch (error) {
    throw directoryError(error, path);
  }
  return directory;
}

async function checkFormat(path: string): Promise<void> {
  const file = join(path, 'FORMAT');
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return await writeFormat(path, file);
  const version = FORMAT.exec(text)?.[1];
  if (version === undefined) {
    throw new StoreError('STORE_UNUSABLE', `${file} is not the mark of a store: choose another directory`, {
      details: { directory: path },
    });
  }
  if (Number(version) > VERSION) {
    throw new StoreError(
      'STORE_VERSION',
      `the store in ${path} has format ${version}, this version knows ${VERSION}: run the newer version, or choose another directory`,
      { details: { directory: path, found: Number(version), known: VERSION } },
    );
  }
}

async function writeFormat(path: string, file: string): Promise<void> {
  const names = (await readdir(path)).filter((name) => name !== 'FORMAT.new' && name !== 'lost+found');
  if (names.length > 0) {
    throw new StoreError(
      'STORE_UNUSABLE',
      `${path} holds something else (${names.slice(0, 3).join(', ')}): give the store an empty directory`,
      { details: { directory: path } },
    );
  }
  await replaceFormat(file);
}

/** Marks a store of an older version as one of ours, durably, before anything is written that the older one cannot read. The caller holds the lock. */
export async function markFormat({ path }: StoreDirectory): Promise<void> {
  const file = join(path, 'FORMAT');
  const version = FORMAT.exec(await readFile(file, 'utf8'))?.[1];
  if (Number(version) === VERSION) return;
  await replaceFormat(file);
  await syncDirectory(path);
}

async function replaceFormat(file: string): Promise<void> {
  await writeFile(`${file}.new`, `quarry-store ${VERSION}\n`, { mode: PRIVATE_FILE, flush: true });
  await rename(`${file}.new`, file);
}

function directoryError(cause: unknown, path: string): StoreError {
  if (cause instanceof StoreError) return cause;
  if (isDiskFull(cause)) return ioError(cause, `a store in ${path}`, { directory: path });
  const why: Readonly<Record<string, string>> = {
    EEXIST: 'is a file: name a directory',
    ENOTDIR: 'has a file in its path: name a directory',
    EACCES: 'may not be written by this user: change its owner, or choose another',
    EPERM: 'does not belong to this user: change its owner, or choose another',
    EROFS: 'is on a read-only file system: remount it, or choose another',
  };
  const reason = why[errorCode(cause) ?? ''];
  if (reason === undefined) return ioError(cause, `opening ${path}`, { directory: path });
  return new StoreError('STORE_UNUSABLE', `${path} ${reason}`, { cause, details: { directory: path } });
}

/** Says who holds the store. A help for people, not the lock: failing to write it is only logged. */
export async function writeHolder(directory: StoreDirectory, logger: Logger): Promise<void> {
  try {
    await writeFile(join(directory.path, 'holder'), `${process.pid}\n`, { mode: PRIVATE_FILE });
  } catch (error) {
    logger.warn('could not write who holds the store', { directory: directory.path, error: errorCode(error) });
  }
}

export async function removeHolder(directory: StoreDirectory): Promise<void> {
  await rm(join(directory.path, 'holder'), { force: true });
}

export async function lockedError(directory: StoreDirectory, cause: unknown): Promise<StoreError> {
  const text = await readFile(join(directory.path, 'holder'), 'utf8').catch(() => '');
  const pid = /^(\d{1,10})\n$/.exec(text)?.[1];
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new StoreError(
    'STORE_LOCKED',
    `the store in ${directory.path} is in use by ${who}: stop it, or choose another directory`,
    { cause, details: { directory: directory.path, pid: pid === undefined ? undefined : Number(pid) } },
  );
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Names in a directory; none if it is not there. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** Bytes in a file; undefined if it is not there. */
export async function fileBytes(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
