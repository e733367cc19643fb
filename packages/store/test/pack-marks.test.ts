import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addChunk, chunksOf, createChunkSet } from '@quarry/content';
import type { ChunkSet } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import { silentLogger, systemClock } from '@quarry/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../src/database.ts';
import type { Database } from '../src/database.ts';
import { createFrameTable, frameBytes } from '../src/frame-table.ts';
import { keepStaged } from '../src/keep-staged.ts';
import { packKey } from '../src/keys.ts';
import { storeSettings } from '../src/options.ts';
import { openPackEngine } from '../src/pack-engine.ts';
import type { PackEngine } from '../src/pack-engine.ts';
import { packFile } from '../src/pack-paths.ts';
import { decodePackRecord } from '../src/pack-record.ts';
import { loseAll } from '../src/presence.ts';
import { openStoreDirectory } from '../src/store-directory.ts';

const pack = samplePack({ seed: 1, isCompressible: true });
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

/** The frames that the record names, by piece. */
async function recordedFrames(): Promise<number[]> {
  const { frames, chunkCount } = decodePackRecord((await database.find(packKey(id))) ?? Buffer.of());
  return Array.from({ length: Math.ceil(chunkCount / 4) }, (_, piece) => frameBytes(frames, piece));
}

async function writeFramed(piece: number): Promise<void> {
  const known = await engine.roster.enter(pack.descriptor);
  try {
    await engine.io.write(known, pack.framed(piece));
  } finally {
    engine.roster.leave(known);
  }
}

function chunks(...which: number[]): ChunkSet {
  const set = createChunkSet(11);
  for (const chunk of which) addChunk(set, chunk);
  return set;
}

test('frames are in the record with their chunks, after their file was synced', async () => {
  await writeFramed(0);
  await write(1);
  expect(await recordedFrames()).toEqual([0, 0, 0]);
  await engine.batcher.sync();
  expect(await recordedFrames()).toEqual([pack.framed(0).frame.length, 0, 0]);
  await writeFramed(2);
  await engine.batcher.sync();
  expect(await recordedFrames()).toEqual([pack.framed(0).frame.length, 0, pack.framed(2).frame.length]);
  expect(events).toEqual([
    'marked nothing',
    'synced',
    'durably marked 0 1 2 3 4 5 6 7',
    'synced',
    'durably marked 0 1 2 3 4 5 6 7 8 9 10',
  ]);
});

test('a file that cannot be synced loses the frames since the last time', async () => {
  await writeFramed(0);
  await engine.batcher.sync();
  await writeFramed(1);
  syncFailure = new Error('EIO');
  await expect(engine.batcher.sync()).rejects.toMatchObject({ code: 'STORE_IO' });
  expect(present()).toEqual([0, 1, 2, 3]);
  syncFailure = undefined;
  await write(1);
  await engine.batcher.sync();
  expect(await recordedFrames()).toEqual([pack.framed(0).frame.length, 0, 0]);
  expect(await recorded()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test.for([
  ['plain chunks are written over with a frame', () => write(0), () => writeFramed(0)],
  ['a frame is written over with plain chunks', () => writeFramed(0), () => write(0, 0b0110)],
] as const)('%s only when the record does not name them any more', async ([, first, second]) => {
  await first();
  await engine.batcher.sync();
  const known = engine.known.get(id);
  writeFailure = new Error('No space left on device');
  await expect(engine.marks.drop(known, pack.descriptor, chunks(0, 1, 2, 3))).rejects.toThrow(writeFailure);
  await expect(second()).rejects.toThrow(writeFailure);
  expect(present()).toEqual([]);
  writeFailure = undefined;
  events.length = 0;
  const use = engine.files.use.bind(engine.files);
  Object.assign(engine.files, {
    use: async (...args: Parameters<typeof use>) => {
      events.push('written');
      return await use(...args);
    },
  });
  await second();
  expect(events).toEqual(['durably marked nothing', 'written']);
});

test('a piece that is being dropped while another writer comes is not written before the drop is durable', async () => {
  await write(0);
  await engine.batcher.sync();
  events.length = 0;
  const use = engine.files.use.bind(engine.files);
  Object.assign(engine.files, {
    use: async (...args: Parameters<typeof use>) => {
      events.push('written');
      return await use(...args);
    },
  });
  const dropping = engine.marks.drop(engine.known.get(id), pack.descriptor, chunks(2));
  await Promise.all([dropping, writeFramed(0), write(0)]);
  // One of three chunks stays, so it stays plain.
  expect(events).toEqual(['durably marked 0 1 3', 'written']);
  expect(present()).toEqual([0, 1, 2, 3]);
  expect(frameBytes(engine.known.get(id).presence.frames, 0)).toBe(0);
});

test('a staged file takes the place of a lost one only when the record does not name what was in that', async () => {
  await write(0);
  await engine.batcher.sync();
  const known = engine.known.get(id);
  // As the next open finds a pack whose file is gone.
  engine.files.forget(packFile(engine.directory.packs, id));
  await rm(packFile(engine.directory.packs, id));
  loseAll(known.presence);
  known.hasFile = false;
  const path = join(engine.directory.stages, '1.stage');
  const handle = await open(path, 'wx+');
  await handle.write(pack.bytes);
  events.length = 0;
  await keepStaged(engine, { file: { path, handle }, descriptor: pack.descriptor, frames: createFrameTable(11) });
  expect(events).toEqual(['durably marked nothing']);
  expect(present()).toHaveLength(11);
});

test.for([
  ['plain chunks', () => write(0), () => writeFramed(0)],
  ['a frame', () => writeFramed(0), () => write(0)],
] as const)(
  'who reads %s while they are dropped and written in the other encoding gets the right bytes',
  async ([, first, second]) => {
    await first();
    const known = engine.known.get(id);
    const use = engine.files.use.bind(engine.files);
    for (const read of ['read', 'readStored'] as const) {
      let isOvertaken = false;
      Object.assign(engine.files, {
        use: async (...args: Parameters<typeof use>) => {
          Object.assign(engine.files, { use });
          isOvertaken = true;
          await engine.marks.drop(known, pack.descriptor, chunks(0, 1, 2, 3));
          await second();
          return await use(...args);
        },
      });
      if (read === 'read') {
        const into = new Uint8Array(pack.run(1, 2).length);
        await engine.io.read(known, pack.descriptor, [{ first: 1, count: 2 }], into);
        expect(Buffer.compare(into, pack.run(1, 2))).toBe(0);
      } else {
        const { encoding, bytes } = await engine.io.readStored(known, pack.descriptor, 0);
        expect(Buffer.compare(bytes, encoding === 'zstd' ? pack.framed(0).frame : pack.run(0, 4))).toBe(0);
      }
      expect(isOvertaken).toBe(true);
      await engine.marks.drop(known, pack.descriptor, chunks(0, 1, 2, 3));
      await first();
    }
  },
);
