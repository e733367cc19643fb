import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';
import { Level } from 'level';
import { StoreError, closedError, ioError } from './errors.ts';

export interface DatabaseWrite {
  readonly key: Uint8Array;
  /** Undefined deletes. */
  readonly value: Uint8Array | undefined;
}

export interface DatabaseEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The index: LevelDB with bytes for keys and values, and errors of ours. */
export interface Database {
  find(key: Uint8Array): Promise<Uint8Array | undefined>;
  findMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** All or nothing. `isDurable` survives a power cut; otherwise only the end of this process. */
  write(writes: readonly DatabaseWrite[], options: { readonly isDurable: boolean }): Promise<void>;
  /** Entries whose key begins with `prefix`, in order of their keys. What changes meanwhile may or may not be seen. */
  scan(prefix: Uint8Array): AsyncIterable<DatabaseEntry>;
  /** LevelDB keeps each file that it has read mapped, and the pages in memory: begins anew, with none. Other calls wait meanwhile. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

interface Range {
  readonly gte?: Uint8Array;
  readonly gt?: Uint8Array;
  readonly lt: Uint8Array;
}

const SCAN_ENTRIES = 512;

/** @throws the error of `level`, unmapped: who opens knows what it means */
export async function openDatabase(
  location: string,
  options: { readonly cacheBytes: number; readonly writeBufferBytes: number; readonly logger: Logger },
): Promise<Database> {
  const level = new Level<Uint8Array, Uint8Array>(location, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    cacheSize: options.cacheBytes,
    writeBufferSize: options.writeBufferBytes,
    compression: false, // nearly all of it is digests
  });
  await level.open();
  let isSick = false;
  let isClosed = false;
  let active = 0;
  let onIdle: (() => void) | undefined;
  let healing: Promise<void> | undefined;

  // After a failed write LevelDB's log may end in half a record, and what it appends behind that is lost at the next recovery;
  // after a failed sync it refuses all writes. Both are cured by opening it again, which begins a new log.
  const heal = async (): Promise<void> => {
    while (active > 0) await new Promise<void>((resolve) => (onIdle = resolve));
    try {
      await level.close();
      await level.open();
      if (isSick) options.logger.info('reopened the index after a failed write', { location });
      isSick = false;
    } catch (error) {
      isSick = true;
      throw ioError(error, `reopening the index ${location}`, { location });
    }
  };
  const reopen = (): Promise<void> => (healing ??= heal().finally(() => (healing = undefined)));
  const use = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    if (isClosed) throw closedError(location);
    while (isSick || healing) await reopen();
    active += 1;
    try {
      return await work();
    } catch (error) {
      throw ioError(error, `${doing} the index ${location}`, { location });
    } finally {
      active -= 1;
      if (active === 0) onIdle?.();
    }
  };

  const readRange = (range: Range): Promise<[Uint8Array, Uint8Array][]> =>
    level.iterator({ ...range, limit: SCAN_ENTRIES }).all();

  return {
    find: (key) => use('reading', async () => await level.get(key)),
    findMany: (keys) => use('reading', () => level.getMany([...keys])),
    async write(writes, { isDurable }) {
      const operations = writes.map(({ key, value }) =>
        value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
      );
      await use('writing', async () => {
        try {
          await level.batch(operations, { sync: isDurable });
        } catch (error) {
          isSick = true;
          throw error;
        }
      });
    },
    async *scan(prefix) {
      const end = afterPrefix(prefix);
      let from: Omit<Range, 'lt'> = { gte: prefix };
      // In portions: a reader that is slow, or never comes back, holds no iterator open.
      for (;;) {
        const entries = await use('reading', () => readRange({ ...from, lt: end }));
        for (const [key, value] of entries) yield { key, value };
        const last = entries.at(-1);
        if (!last || entries.length < SCAN_ENTRIES) return;
        from = { gt: last[0] };
      }
    },
    async reopen() {
      if (isClosed) throw closedError(location);
      await reopen();
    },
    async close() {
      isClosed = true;
      await healing?.catch(() => {}); // whoever caused it was told
      await level.close();
    },
  };
}

/** What opening LevelDB failed with, below abstract-level's general refusal. */
export function openFailure(error: unknown): { readonly isLocked: boolean; readonly isDamaged: boolean } {
  let isLocked = false;
  let isDamaged = false;
  for (let each = error; each instanceof Error; each = each.cause) {
    isLocked ||= errorCode(each) === 'LEVEL_LOCKED';
    // A file that LevelDB's own list names and that is not there comes as an I/O error.
    isDamaged ||= errorCode(each) === 'LEVEL_CORRUPTION' || /no such file/i.test(each.message);
  }
  return { isLocked, isDamaged };
}

export function damagedError(location: string, cause: unknown): StoreError {
  return new StoreError(
    'STORE_DAMAGED',
    `the index ${location} cannot be read: remove the store's directory, its packs are fetched again`,
    { cause, details: { location } },
  );
}

/** The first key after all that begin with `prefix`, which has a byte below 0xff: its kind. */
function afterPrefix(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (prefix[length - 1] === 0xff) length -= 1;
  const end = new Uint8Array(prefix.subarray(0, length));
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}
