/** What an operator or a test may choose. Sizes are bytes, times milliseconds. */
export interface StoreOptions {
  /** Where everything lies. Made if it is not there; used by one process at a time. */
  readonly directory: string;
  /** Written data is made durable after this many bytes… */
  readonly syncBytes?: number;
  /** …or this long after the first of them, whichever comes first. A crash loses at most what came since. */
  readonly syncDelayMs?: number;
  /** Writers wait while more than this is not durable yet: bounds what a crash can cost when the disk is slower than the network. */
  readonly maxUnsyncedBytes?: number;
  /** The order of use is written down this long after it changed; a crash loses at most that much of it. */
  readonly recencyDelayMs?: number;
  /** Pack files held open at once; those being used or not yet durable come on top. */
  readonly maxOpenFiles?: number;
  /** Descriptors kept in memory: one of a full pack takes about 147 KB. */
  readonly descriptorCacheBytes?: number;
  /** Free space on the file system that packs may not use, so that the index can always be written, and packs evicted. */
  readonly reserveBytes?: number;
  /** LevelDB's cache of blocks. */
  readonly indexCacheBytes?: number;
  /** LevelDB's buffer of writes; up to twice as much memory. */
  readonly indexWriteBufferBytes?: number;
}

export type StoreSettings = Required<StoreOptions>;

export const storeDefaults: Readonly<Omit<StoreSettings, 'directory'>> = Object.freeze({
  syncBytes: 64 * 2 ** 20,
  syncDelayMs: 500,
  maxUnsyncedBytes: 2 ** 30,
  recencyDelayMs: 60_000,
  maxOpenFiles: 256,
  descriptorCacheBytes: 32 * 2 ** 20,
  reserveBytes: 64 * 2 ** 20,
  indexCacheBytes: 8 * 2 ** 20,
  indexWriteBufferBytes: 8 * 2 ** 20,
});

/** The options with the defaults filled in. @throws TypeError for an unknown name or a number that is none */
export function storeSettings(options: StoreOptions): StoreSettings {
  const { directory, ...numbers } = options;
  if (typeof directory !== 'string' || directory === '') throw new TypeError('a store needs a directory');
  for (const [name, value] of Object.entries(numbers)) {
    if (!Object.hasOwn(storeDefaults, name)) throw new TypeError(`a store has no option ${name}`);
    if (typeof value !== 'number' || !(value >= 0)) throw new TypeError(`${name} is a number from 0, not ${value}`);
  }
  return { ...storeDefaults, ...options };
}
