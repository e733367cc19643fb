import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chunkOffset } from '@quarry/content';
import type { PackId, PackStore } from '@quarry/content';
import { silentLogger, systemClock } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import type { DiskStore, StoreOptions } from '@quarry/store';
import { vi } from 'vitest';

// Everything here syncs a real disk, which others may keep busy for seconds. No test asserts how long anything takes.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

export const deps = { clock: systemClock, logger: silentLogger };

/** A store in a directory of its own, that can be closed and opened again. */
export interface TemporaryStore {
  readonly directory: string;
  readonly store: DiskStore;
  reopen(): Promise<DiskStore>;
  dispose(): Promise<void>;
}

export async function temporaryStore(options: Omit<StoreOptions, 'directory'> = {}): Promise<TemporaryStore> {
  const directory = await mkdtemp(join(tmpdir(), 'quarry-store-'));
  let store = await createDiskStore(deps, { directory, ...options });
  return {
    directory,
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await createDiskStore(deps, { directory, ...options });
      return store;
    },
    async dispose() {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function packPath(directory: string, id: PackId): string {
  return join(directory, 'packs', id.slice(0, 2), `${id}.pack`);
}

/** Flips the first byte of a chunk, behind the store's back. */
export async function damageChunk(directory: string, store: PackStore, id: PackId, chunk: number): Promise<void> {
  const descriptor = await store.findPack(id);
  if (!descriptor) throw new TypeError(`no pack ${id}`);
  const file = await open(packPath(directory, id), 'r+');
  try {
    const byte = new Uint8Array(1);
    const position = chunkOffset(descriptor, chunk);
    await file.read(byte, 0, 1, position);
    await file.write(Uint8Array.of((byte[0] ?? 0) ^ 0xff), 0, 1, position);
  } finally {
    await file.close();
  }
}
