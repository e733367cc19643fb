import { createHash } from 'node:crypto';
import { mkdtemp, open, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync, constants } from 'node:zlib';
import { chooseCutter, fixed64k } from '@quarry/content';
import { expandScenario, scenarioFrom } from '@quarry/scenario';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSourceImages } from '../../src/images/make-source-images.ts';
import type { SourceImages } from '../../src/source-images.ts';

const CHUNK = 65_536;
const toml =
  'about = "x"\n[hosts]\ncount = 2\n[[images]]\nname = "base"\nsize = "1MiB"\n' +
  '[[images]]\nname = "snapshot"\ncount = 2\nsize = "2MiB"\nbase = "base"\ncommon = "50%"\n[[unshelves]]\nimages = "snapshot"\nchoose = "own"\n';
const storm = expandScenario(scenarioFrom(toml, 'x.toml'), { seed: 1 });
const { signal } = new AbortController();
let directory: string;
let images: SourceImages;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-images-'));
  images = await makeSourceImages(storm, { directory: join(directory, 'random'), content: 'random', seed: 7, signal });
});
afterAll(async () => await rm(directory, { recursive: true }));

const bytesOf = async (image: number): Promise<Buffer> => await readFile(images.files[image]?.path ?? '');

test('share exactly the chunks that the storm says they share', async () => {
  const [base, one, two] = await Promise.all([bytesOf(0), bytesOf(1), bytesOf(2)]);
  expect(one.subarray(0, 2 ** 20).equals(base)).toBe(true);
  expect(two.subarray(0, 2 ** 20).equals(base)).toBe(true);
  const chunks = (bytes: Buffer): string[] =>
    Array.from({ length: bytes.length / CHUNK }, (_, i) => bytes.toString('latin1', i * CHUNK, (i + 1) * CHUNK));
  expect(new Set([...chunks(one), ...chunks(two)]).size).toBe(16 + 16 + 16);
});

test('have the size and the hash that is told of them, and are cut as raw disks', async () => {
  for (const [i, { sizeBytes, sha512 }] of images.files.entries()) {
    const bytes = await bytesOf(i);
    expect(bytes.length).toBe(sizeBytes);
    expect(createHash('sha512').update(bytes).digest('hex')).toBe(sha512);
    expect(chooseCutter(bytes, bytes.length)).toEqual(fixed64k);
  }
});

test('are the same for the same seed; random ones do not compress, those of a disk do by about three', async () => {
  const again = await makeSourceImages(storm, {
    directory: join(directory, 'again'),
    content: 'random',
    seed: 7,
    signal,
  });
  expect(again.files.map(({ sha512 }) => sha512)).toEqual(images.files.map(({ sha512 }) => sha512));
  const disk = await makeSourceImages(storm, { directory: join(directory, 'disk'), content: 'disk', seed: 7, signal });
  const packed = (bytes: Buffer): number =>
    bytes.length / zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length;
  expect(packed(await bytesOf(0))).toBeLessThan(1.01);
  const ratio = packed(await readFile(disk.files[0]?.path ?? ''));
  expect(ratio).toBeGreaterThan(2.4);
  expect(ratio).toBeLessThan(3.2);
});

test('comparing counts each wrong byte, and what is missing or too much', async () => {
  const path = join(directory, 'copy');
  const write = async (bytes: Buffer): Promise<void> => {
    const file = await open(path, 'w');
    await file.write(bytes);
    await file.close();
  };
  const right = await bytesOf(1);
  await write(right);
  expect(await images.countWrongBytes(1, path, { signal })).toBe(0);
  expect(await images.countWrongBytes(2, path, { signal })).toBeGreaterThan(1_000_000);
  right[5] = (right[5] ?? 0) ^ 1;
  right[right.length - 1] = (right.at(-1) ?? 0) ^ 1;
  await write(right);
  expect(await images.countWrongBytes(1, path, { signal })).toBe(2);
  await truncate(path, (await stat(path)).size - 10);
  expect(await images.countWrongBytes(1, path, { signal })).toBe(11);
  await write(Buffer.concat([right, Buffer.alloc(3)]));
  expect(await images.countWrongBytes(1, path, { signal })).toBe(5);
});
