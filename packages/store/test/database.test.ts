import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@quarry/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../src/database.ts';
import type { Database } from '../src/database.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const COUNT = 2000;

let directory = '';
let database: Database;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-database-'));
  database = await openDatabase(directory, { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 16, logger: silentLogger });
  const writes = Array.from({ length: COUNT }, (_, i) => ({ key: bytes(`P${i}`), value: new Uint8Array(500).fill(i) }));
  await database.write(writes, { isDurable: false });
  // what is opened from here on lies in files, not in LevelDB's buffer of writes
  await database.reopen();
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

test('calls that overlap with opening anew wait, and find what was there', async () => {
  const reopened = database.reopen();
  const found = database.findMany([bytes('P1'), bytes(`P${COUNT - 1}`), bytes('Q')]);
  const written = database.write([{ key: bytes('Q'), value: bytes('new') }], { isDurable: false });
  await Promise.all([reopened, database.reopen(), written]);
  const [first, last] = await found;
  expect(first?.every((byte) => byte === 1)).toBe(true);
  expect(last?.every((byte) => byte === ((COUNT - 1) & 0xff))).toBe(true);
  expect(Buffer.from((await database.find(bytes('Q'))) ?? []).toString()).toBe('new');
});

test.runIf(process.platform === 'linux')('opened anew, it has none of the files mapped that it had read', async () => {
  const mapped = (): boolean => readFileSync('/proc/self/maps', 'utf8').includes(directory);
  let read = 0;
  for await (const { value } of database.scan(bytes('P'))) read += value.length;
  expect(read).toBe(COUNT * 500);
  expect(mapped()).toBe(true);
  await database.reopen();
  expect(mapped()).toBe(false);
});

test('after it was closed it is not opened anew', async () => {
  await database.close();
  await expect(database.reopen()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
});
