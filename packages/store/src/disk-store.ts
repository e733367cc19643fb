import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createLifecycle } from '@quarry/runtime';
import type { Clock, Logger } from '@quarry/runtime';
import { damagedError, openDatabase, openFailure } from './database.ts';
import type { Database } from './database.ts';
import { createDiskImageCatalog } from './disk-image-catalog.ts';
import type { DiskImageCatalog } from './disk-image-catalog.ts';
import { openDiskPackStore } from './disk-pack-store.ts';
import type { DiskPackStore } from './disk-pack-store.ts';
import { ioError } from './errors.ts';
import { storeSettings } from './options.ts';
import type { StoreOptions, StoreSettings } from './options.ts';
import { lockedError, markFormat, namesIn, openStoreDirectory, removeHolder, writeHolder } from './store-directory.ts';
import type { StoreDirectory } from './store-directory.ts';

/** Packs and images of one directory, behind their ports. */
export interface DiskStore {
  readonly packs: DiskPackStore;
  readonly images: DiskImageCatalog;
  /** Ends the calls under way, makes everything durable and gives the directory free. */
  close(): Promise<void>;
}

/**
 * Opens the store in `options.directory`, or makes one there.
 * @throws StoreError STORE_LOCKED, STORE_VERSION, STORE_UNUSABLE, STORE_DAMAGED, STORE_DISK_FULL or STORE_IO, each naming the directory
 */
export async function createDiskStore(
  deps: { readonly clock: Clock; readonly logger: Logger },
  options: StoreOptions,
): Promise<DiskStore> {
  const settings = storeSettings(options);
  const { clock } = deps;
  const logger = deps.logger.child({ store: settings.directory });
  const directory = await openStoreDirectory(settings.directory);
  const lifecycle = createLifecycle();
  try {
    const database = await openIndex(directory, settings, logger);
    lifecycle.onClose('the index', () => database.close());
    // The directory is ours from here on.
    await writeHolder(directory, logger);
    lifecycle.onClose('the holder file', () => removeHolder(directory));
    await markFormat(directory);
    await clearStages(directory);
    const packs = await openDiskPackStore({ clock, logger, database, directory }, settings);
    lifecycle.onClose('the packs', () => packs.close());
    const images = createDiskImageCatalog({ database, logger, directory: directory.path });
    lifecycle.onClose('the images', () => images.close());
    return { packs, images, close: () => lifecycle.close() };
  } catch (error) {
    await lifecycle.close().catch(() => {}); // the first failure is the one to tell
    throw ioError(error, `opening the store in ${directory.path}`, { directory: directory.path });
  }
}

async function openIndex(directory: StoreDirectory, settings: StoreSettings, logger: Logger): Promise<Database> {
  const { indexCacheBytes: cacheBytes, indexWriteBufferBytes: writeBufferBytes } = settings;
  try {
    return await openDatabase(directory.index, { cacheBytes, writeBufferBytes, logger });
  } catch (error) {
    const { isLocked, isDamaged } = openFailure(error);
    if (isLocked) throw await lockedError(directory, error);
    if (isDamaged) throw damagedError(directory.index, error);
    throw ioError(error, `opening the index ${directory.index}`, { directory: directory.path });
  }
}

/** A stage ends with its process: what was appended, only that process knew. */
async function clearStages(directory: StoreDirectory): Promise<void> {
  for (const name of await namesIn(directory.stages)) {
    await rm(join(directory.stages, name), { recursive: true, force: true });
  }
}
