import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chunksOf, createChunkSet } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import { silentLogger, systemClock } from '@quarry/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../src/database.ts';
import type { Database } from '../src/database.ts';
import { packKey } from '../src/keys.ts';
import { storeSettings } from '../src/options.ts';
import { openPackEngine } from '../src/pack-engine.ts';
import type { PackEngine } from '../src/pack-engine.ts';
import { decodePackRecord } from '../src/pack-record.ts';
import { openStoreDirectory } from '../src/store-directory.ts';

const pack = samplePack({ seed: 1 });
const { id } = pack.descriptor;

let path: string;
let database: Database;
let engine: PackEngine;
let events: string[];
let syncFailure: Error | undefined;
let writeFailure: Error | undefined;

/** The real parts, with an ear on the two calls whose order is the crash rule, and a way to make them fail. */
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'quarry-marks-'));
  const directory = await openStoreDirectory(path);
  const real = await openDatabase(directory.index, {
    cacheBytes: 2 ** 20,
    writeBufferBytes: 2 ** 20,
    logger: silentLogger,
  });
  database = {
    ...real,
    async write(writes, options) {
      const record = writes.find(({ key, value }) => value && Buffer.compare(key, packKey(id)) === 0)?.value;
      const chunks = record && marksIn(record);
      if (chunks) events.push(`${options.isDurable ? 'durably ' : ''}marked ${chunks.join(' ') || 'nothing'}`);
      if (writeFailure && options.isDurable) throw writeFailure;
      await real.write(writes, options);
    },
  };
  events = [];
  syncFailure = undefined;
  writeFailure = undefined;
  const settings = storeSettings({ directory: path, syncDelayMs: 1e6, syncBytes: 1e9 });
  engine = await openPackEngine({ clock: systemClock, logger: silentLogger, database, directory }, settings);
  const sync = engine.files.sync.bind(engine.files);
  Object.assign(engine.files, {
    sync: async (file: string) => {
      if (syncFailure) throw syncFailure;
      await sync(file);
      events.push('synced');
    },
  });
});
afterEach(async () => {
  engine.recency.close();
  await engine.files.close();
  await database.close();
  await rm(path, { recursive: true, force: true });
});

function marksIn(record: Uint8Array): number[] {
  const { chunkCount, bits } = decodePackRecord(record);
  return [...chunksOf({ chunkCount, bits })];
}

async function write(piece: number, mask?: number): Promise<void> {
  const known = await engine.roster.enter(pack.descriptor);
  try {
    await engine.io.write(known, pack.piece(piece, mask));
  } finally {
    engine.roster.leave(known);
  }
}

async function recorded(): Promise<number[]> {
  return marksIn((await database.find(packKey(id))) ?? Buffer.of());
}

function present(): number[] {
  return [...chunksOf(engine.known.get(id).presence.present)];
}

test('chunks are marked only after their file was synced, and only those written before', async () => {
  await write(0);
  expect(await recorded()).toEqual([]);
  await engine.batcher.sync();
  await write(1, 0b0101);
  await engine.batcher.sync();
  expect(events).toEqual([
    'marked nothing',
    'synced',
    'durably marked 0 1 2 3',
    'synced',
    'durably marked 0 1 2 3 4 6',
  ]);
});

test('chunks that are written while the file is being synced wait for the next time', async () => {
  await write(0);
  const sync = engine.files.sync.bind(engine.files);
  Object.assign(engine.files, {
    sync: async (file: string) => {
      Object.assign(engine.files, { sync });
      await sync(file);
      await write(1);
    },
  });
  await engine.batcher.sync();
  expect(await recorded()).toEqual([0, 1, 2, 3]);
  expect(present()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  await engine.batcher.sync();
  expect(await recorded()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('a file that cannot be synced loses what was written since the last time, and sync says so', async () => {
  await write(0);
  await engine.batcher.sync();
  await write(1);
  const told: string[] = [];
  engine.onAbsent.add((absent) => told.push(absent));
  syncFailure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  await expect(engine.batcher.sync()).rejects.toMatchObject({ code: 'STORE_IO', cause: syncFailure });
  expect(present()).toEqual([0, 1, 2, 3]);
  expect(await recorded()).toEqual([0, 1, 2, 3]);
  expect(told).toEqual([id]);
  syncFailure = undefined;
  await write(1);
  await engine.batcher.sync();
  expect(await recorded()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('records that cannot be written lose nothing: they are written the next time', async () => {
  await write(0);
  writeFailure = new Error('No space left on device');
  await expect(engine.batcher.sync()).rejects.toThrow(writeFailure);
  expect(present()).toEqual([0, 1, 2, 3]);
  writeFailure = undefined;
  await engine.batcher.sync();
  expect(await recorded()).toEqual([0, 1, 2, 3]);
});

test('dropped chunks are written over only when the record does not name them any more', async () => {
  await write(0);
  await engine.batcher.sync();
  const dropped = createChunkSet(11);
  dropped.bits[0] = 0b0010;
  writeFailure = new Error('No space left on device');
  await expect(engine.marks.drop(engine.known.get(id), pack.descriptor, dropped)).rejects.toThrow(writeFailure);
  expect(present()).toEqual([0, 2, 3]);
  await expect(write(0)).rejects.toThrow(writeFailure);
  expect(present()).toEqual([0, 2, 3]);
  writeFailure = undefined;
  events.length = 0;
  await write(0);
  expect(events).toEqual(['durably marked 0 2 3']);
  expect(present()).toEqual([0, 1, 2, 3]);
  await engine.batcher.sync();
  expect(await recorded()).toEqual([0, 1, 2, 3]);
});

test('an evicted pack whose record could not be deleted is emptied durably before it is written again', async () => {
  await write(0);
  await engine.batcher.sync();
  writeFailure = new Error('No space left on device');
  expect(await engine.roster.remove(engine.known.get(id))).toBe(true);
  expect(await recorded()).toEqual([0, 1, 2, 3]);
  writeFailure = undefined;
  events.length = 0;
  await write(1);
  expect(events).toEqual(['durably marked nothing']);
});
