import { createVirtualClock, silentLogger } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { createSyncBatcher } from '../src/sync-batcher.ts';
import type { SyncBatcher } from '../src/sync-batcher.ts';

const options = { syncBytes: 100, syncDelayMs: 500, maxUnsyncedBytes: 300 };

interface Flush {
  resolve(lost?: Error): void;
  reject(error: Error): void;
}

/** A batcher whose flushes end when the test says so. */
function setUp(): { batcher: SyncBatcher; clock: ReturnType<typeof createVirtualClock>; flushes: Flush[] } {
  const clock = createVirtualClock();
  const flushes: Flush[] = [];
  const flush = (): Promise<Error | undefined> => new Promise((resolve, reject) => flushes.push({ resolve, reject }));
  return { batcher: createSyncBatcher({ clock, logger: silentLogger, flush }, options), clock, flushes };
}

test('nothing is flushed while nothing was written', async () => {
  const { batcher, clock, flushes } = setUp();
  await clock.advance(10_000);
  await batcher.sync();
  await batcher.close();
  expect(flushes).toHaveLength(0);
});

test('few bytes are flushed so long after the first of them', async () => {
  const { batcher, clock, flushes } = setUp();
  batcher.noteWritten(10);
  await clock.advance(400);
  batcher.noteWritten(10);
  expect(flushes).toHaveLength(0);
  await clock.advance(100);
  expect(flushes).toHaveLength(1);
  flushes[0]?.resolve();
  await clock.advance(10_000);
  expect(flushes).toHaveLength(1);
  expect(batcher.unsyncedBytes).toBe(0);
});

test('many bytes are flushed at once, and those that come during a flush by the next', async () => {
  const { batcher, clock, flushes } = setUp();
  batcher.noteWritten(60);
  batcher.noteWritten(60);
  batcher.noteWritten(60);
  await clock.advance(0);
  expect(flushes).toHaveLength(1);
  batcher.noteWritten(5);
  flushes[0]?.resolve();
  await clock.advance(0);
  expect(batcher.unsyncedBytes).toBe(5);
  await clock.advance(500);
  expect(flushes).toHaveLength(2);
});

test('sync covers what was written before it, also while a flush is under way', async () => {
  const { batcher, clock, flushes } = setUp();
  batcher.noteWritten(200);
  await clock.advance(0);
  batcher.noteWritten(7);
  let isSynced = false;
  const synced = batcher.sync().then(() => (isSynced = true));
  flushes[0]?.resolve();
  await clock.advance(0);
  expect(isSynced).toBe(false);
  expect(flushes).toHaveLength(2);
  flushes[1]?.resolve();
  await synced;
});

test('writers wait while too much is unsynced, and go on when it is not', async () => {
  const { batcher, clock, flushes } = setUp();
  await batcher.room();
  batcher.noteWritten(301);
  let hasRoom = false;
  const room = batcher.room().then(() => (hasRoom = true));
  await clock.advance(0);
  expect(hasRoom).toBe(false);
  flushes[0]?.resolve();
  await room;
  await batcher.room();
});

test('a writer that waits leaves with the reason of its signal', async () => {
  const { batcher, clock } = setUp();
  batcher.noteWritten(301);
  const controller = new AbortController();
  const reason = new Error('no longer wanted');
  const room = batcher.room(controller.signal);
  await clock.advance(0);
  controller.abort(reason);
  await expect(room).rejects.toBe(reason);
});

test('a flush in the background that failed comes again, later, and sync tells of nothing when that was well', async () => {
  const { batcher, clock, flushes } = setUp();
  batcher.noteWritten(10);
  await clock.advance(500);
  flushes[0]?.reject(new Error('no room'));
  await clock.advance(4999);
  expect(flushes).toHaveLength(1);
  await clock.advance(1);
  expect(flushes).toHaveLength(2);
  flushes[1]?.resolve();
  await clock.advance(0);
  await batcher.sync();
});

test('what a flush in the background lost for good is told to the next sync, once', async () => {
  const { batcher, clock, flushes } = setUp();
  batcher.noteWritten(10);
  await clock.advance(500);
  const lost = new Error('the disk failed');
  flushes[0]?.resolve(lost);
  await clock.advance(0);
  await expect(batcher.sync()).rejects.toBe(lost);
  await batcher.sync();
});

test('what must not overlap a flush waits for it', async () => {
  const { batcher, clock, flushes } = setUp();
  batcher.noteWritten(200);
  await clock.advance(0);
  const order: string[] = [];
  const change = batcher.exclusively(async () => void order.push('change'));
  await clock.advance(0);
  order.push('flushed');
  flushes[0]?.resolve();
  await change;
  expect(order).toEqual(['flushed', 'change']);
});

test('closing flushes what is left and lets waiting writers go', async () => {
  const { batcher, clock, flushes } = setUp();
  batcher.noteWritten(10);
  const closing = batcher.close();
  await clock.advance(0);
  expect(flushes).toHaveLength(1);
  flushes[0]?.resolve();
  await closing;
  await clock.advance(10_000);
  expect(flushes).toHaveLength(1);
  expect(clock.pending).toBe(0);
});
