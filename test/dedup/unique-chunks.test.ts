import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { uniqueBytes } from './unique-chunks.ts';

const KiB = 1024;
const chunkBytes = 64 * KiB;

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quarry-unique-'));
});
afterAll(() => rm(dir, { recursive: true }));

/** A file of 64 KiB chunks, each of one letter, or of zeros for a dot; then the tail. */
async function fileOf(letters: string, tail: Buffer = Buffer.alloc(0)): Promise<string> {
  const path = join(dir, `${letters.replaceAll('.', '0')}-${tail.length}`);
  const chunks = letters.split('').map((letter) => Buffer.alloc(chunkBytes, letter === '.' ? 0 : letter));
  await writeFile(path, Buffer.concat([...chunks, tail]));
  return path;
}

describe('the bytes that a holder of some images must fetch, in fixed 64 KiB', () => {
  test('who holds nothing fetches each chunk once', async () => {
    expect(await uniqueBytes([], await fileOf('abcab'), 'fixed-64k')).toEqual({ bytes: 3 * chunkBytes, chunks: 3 });
  });

  test('what is held at whatever place is not fetched', async () => {
    const held = [await fileOf('ab'), await fileOf('zzzzc')];
    expect(await uniqueBytes(held, await fileOf('cdba'), 'fixed-64k')).toEqual({ bytes: chunkBytes, chunks: 1 });
  });

  test('zeros are never fetched, also where the last chunk is short', async () => {
    const wanted = await fileOf('.a..', Buffer.alloc(5000));
    expect(await uniqueBytes([], wanted, 'fixed-64k')).toEqual({ bytes: chunkBytes, chunks: 1 });
  });

  test('a short last chunk counts its own length, and is not the long one that begins alike', async () => {
    const wanted = await fileOf('a', Buffer.alloc(1000, 'a'));
    expect(await uniqueBytes([await fileOf('a')], wanted, 'fixed-64k')).toEqual({ bytes: 1000, chunks: 1 });
  });

  test('a chunk that is held at an offset that is not a multiple of 64 KiB is fetched', async () => {
    const shifted = join(dir, 'shifted');
    await writeFile(
      shifted,
      Buffer.concat([Buffer.from('one byte more'), Buffer.alloc(chunkBytes, 'a'), Buffer.alloc(1, 'b')]),
    );
    expect(await uniqueBytes([shifted], await fileOf('a'), 'fixed-64k')).toEqual({ bytes: chunkBytes, chunks: 1 });
  });

  test('a file larger than what is read at once is cut without a seam', async () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz'.repeat(6);
    expect(await uniqueBytes([], await fileOf(letters), 'fixed-64k')).toEqual({ bytes: 26 * chunkBytes, chunks: 26 });
    expect(await uniqueBytes([await fileOf('mno')], await fileOf(letters), 'fixed-64k')).toMatchObject({ chunks: 23 });
  });

  test('an empty file needs nothing', async () => {
    expect(await uniqueBytes([], await fileOf(''), 'fixed-64k')).toEqual({ bytes: 0, chunks: 0 });
  });
});
