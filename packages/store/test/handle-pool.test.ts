import { access, mkdtemp, open, readFile, rm, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '@quarry/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHandlePool } from '../src/handle-pool.ts';
import type { HandlePool } from '../src/handle-pool.ts';
import { readFully, writeAllFully, writeFully } from '../src/positional.ts';

let directory: string;
let pool: HandlePool;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-pool-'));
  pool = createHandlePool({ maxOpenFiles: 3 });
});
afterEach(async () => {
  await pool.close();
  await rm(directory, { recursive: true, force: true });
});

const file = (name: string): string => join(directory, name);

async function write(name: string, text: string, isMarked = false): Promise<void> {
  await pool.use(file(name), { create: true }, async (handle) => {
    if (isMarked) pool.markWritten(file(name));
    await writeFully(handle, Buffer.from(text), 0);
  });
}

async function read(name: string, length: number): Promise<string> {
  const into = Buffer.alloc(length);
  const bytes = await pool.use(file(name), { create: false }, (handle) => readFully(handle, into, 0));
  return into.subarray(0, bytes).toString();
}

test('no more files stay open than allowed, whatever is used', async () => {
  for (let i = 0; i < 20; i += 1) await write(`${i % 7}`, `file ${i}`);
  expect(pool.size).toBe(3);
  expect(await read('5', 7)).toBe('file 19');
  expect(await read('1', 100)).toBe('file 15');
});

test('files that are used at the same moment are all open, and closed when they are not', async () => {
  const release: (() => void)[] = [];
  const uses = Array.from({ length: 6 }, (_, i) =>
    pool.use(file(`${i}`), { create: true }, () => new Promise<void>((resolve) => release.push(resolve))),
  );
  while (release.length < 6) await new Promise((resolve) => setImmediate(resolve));
  expect(pool.size).toBe(6);
  for (const each of release) each();
  await Promise.all(uses);
  expect(pool.size).toBe(3);
});

test('files that were written stay open until they are synced', async () => {
  for (let i = 0; i < 5; i += 1) await write(`${i}`, 'x', true);
  for (let i = 10; i < 15; i += 1) await write(`${i}`, 'x');
  expect(pool.size).toBe(5);
  for (let i = 0; i < 5; i += 1) await pool.sync(file(`${i}`));
  await write('20', 'x');
  expect(pool.size).toBe(3);
});

test('a forgotten path stands for another file at once, while the old one is used to its end', async () => {
  await write('a', 'old');
  await pool.use(file('a'), { create: false }, async (old) => {
    pool.forget(file('a'));
    await rm(file('a'));
    await write('a', 'new');
    const into = Buffer.alloc(3);
    await readFully(old, into, 0);
    expect(into.toString()).toBe('old');
  });
  expect(await read('a', 3)).toBe('new');
});

test('an adopted handle is the file of its path from then on', async () => {
  const handle = await open(file('staged'), 'wx+');
  await writeAllFully(handle, [Buffer.from('sta'), Buffer.alloc(0), Buffer.from('ged')], 0);
  await rename(file('staged'), file('b'));
  pool.adopt(file('b'), handle);
  expect(await read('b', 6)).toBe('staged');
});

test('a file that is not there is made only for who writes', async () => {
  await expect(read('missing', 1)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await access(file('missing')).catch(errorCode)).toBe('ENOENT');
  await write('missing', 'here');
  expect(await readFile(file('missing'), 'utf8')).toBe('here');
});

test('more buffers than one system call takes are written all the same', async () => {
  const buffers = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i % 10}`));
  await pool.use(file('many'), { create: true }, (handle) => writeAllFully(handle, buffers, 2));
  expect((await readFile(file('many'))).subarray(2).toString()).toBe(Buffer.concat(buffers).toString());
});
