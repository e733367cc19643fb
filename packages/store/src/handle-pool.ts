import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '@quarry/runtime';
import { PRIVATE_FILE } from './store-directory.ts';

/**
 * Open files, the least recently used closed first. A file that is being used stays open, and so does one that was written and not
 * synced: the kernel tells of a failed write-back only those who had the file open when it failed.
 */
export interface HandlePool {
  use<T>(path: string, options: { readonly create: boolean }, work: (handle: FileHandle) => Promise<T>): Promise<T>;
  /** Takes over a handle that is open for this path. */
  adopt(path: string, handle: FileHandle): void;
  /** To be called after a write was handed to the kernel. */
  markWritten(path: string): void;
  /** fdatasync, if it was written since the last one. */
  sync(path: string): Promise<void>;
  /** The path will stand for another file, or none. Who uses the old one finishes with it. */
  forget(path: string): void;
  close(): Promise<void>;
  readonly size: number;
}

interface Entry {
  readonly opening: Promise<FileHandle>;
  users: number;
  /** Writes since the last sync. */
  writes: number;
  isForgotten: boolean;
}

export function createHandlePool(options: { readonly maxOpenFiles: number }): HandlePool {
  const entries = new Map<string, Entry>();
  const closing = new Set<Promise<void>>();

  const retire = (path: string, entry: Entry): void => {
    if (entries.get(path) === entry) entries.delete(path);
    entry.isForgotten = true;
    if (entry.users > 0) return;
    const closed = entry.opening.then(
      (handle) => handle.close(),
      () => {}, // never opened
    );
    closing.add(closed);
    void closed.catch(() => {}).finally(() => closing.delete(closed));
  };
  const trim = (): void => {
    let excess = entries.size - options.maxOpenFiles;
    for (const [path, entry] of entries) {
      if (excess <= 0) return;
      if (entry.users > 0 || entry.writes > 0) continue;
      retire(path, entry);
      excess -= 1;
    }
  };
  const add = (path: string, opening: Promise<FileHandle>): Entry => {
    const entry: Entry = { opening, users: 0, writes: 0, isForgotten: false };
    entries.set(path, entry);
    opening.catch(() => retire(path, entry));
    return entry;
  };
  const find = (path: string, create: boolean): Entry => {
    const known = entries.get(path);
    if (!known) return add(path, openFile(path, create));
    entries.delete(path); // to the end: most recently used
    entries.set(path, known);
    return known;
  };
  const use: HandlePool['use'] = async (path, { create }, work) => {
    const entry = find(path, create);
    entry.users += 1;
    try {
      return await work(await entry.opening);
    } finally {
      entry.users -= 1;
      if (entry.isForgotten) retire(path, entry);
      else trim();
    }
  };

  return {
    use,
    adopt(path, handle) {
      const known = entries.get(path);
      if (known) retire(path, known);
      add(path, Promise.resolve(handle));
    },
    markWritten(path) {
      const entry = entries.get(path);
      if (entry) entry.writes += 1;
    },
    async sync(path) {
      const entry = entries.get(path);
      if (!entry || entry.writes === 0) return;
      const { writes } = entry;
      await use(path, { create: false }, async (handle) => {
        try {
          await handle.datasync();
        } catch (error) {
          retire(path, entry);
          throw error;
        }
      });
      entry.writes -= writes;
    },
    forget(path) {
      const entry = entries.get(path);
      if (entry) retire(path, entry);
    },
    async close() {
      for (const [path, entry] of entries) retire(path, entry);
      await Promise.all(closing);
    },
    get size() {
      return entries.size;
    },
  };
}

async function openFile(path: string, create: boolean): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR);
  } catch (error) {
    if (!create || errorCode(error) !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return await open(path, constants.O_RDWR | constants.O_CREAT, PRIVATE_FILE);
  }
}
