import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { createHostImages } from '../../src/contestants/host-images.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-held-'));
  onTestFinished(() => rm(directory, { recursive: true }));
});
const { signal } = new AbortController();
const file = (name: string): string => join(directory, name);
const fetchTo = (name: string) => () => writeFile(file(name), `fetched to ${name}`);

it('fetches an image once for a host, also when it is wanted twice at once', async () => {
  const held = createHostImages();
  const bring = (host: number, name: string) =>
    held.bring({ host, image: 0, file: file(name) }, fetchTo(name), { signal });
  await Promise.all([bring(1, 'a'), bring(1, 'b'), bring(2, 'c')]);
  await bring(1, 'd');
  const read = await Promise.all(['a', 'b', 'c', 'd'].map((name) => readFile(file(name), 'utf8')));
  expect(read).toEqual(['fetched to a', 'fetched to a', 'fetched to c', 'fetched to a']);
});

it('fetches again where the first fetch failed, and where the host has died', async () => {
  const held = createHostImages();
  const bring = (name: string, fetch = fetchTo(name)) =>
    held.bring({ host: 1, image: 0, file: file(name) }, fetch, { signal });
  const failing = bring('a', () => Promise.reject(new Error('no route')));
  const waiting = bring('b');
  await expect(failing).rejects.toThrow('no route');
  await waiting;
  expect(await readFile(file('b'), 'utf8')).toBe('fetched to b');
  held.forget(1);
  await bring('c');
  expect(await readFile(file('c'), 'utf8')).toBe('fetched to c');
});
