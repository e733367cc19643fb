import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blake3OfBlock } from './blake3-block.ts';
import { cdcChunks, gear } from './cdc-chunks.ts';
import { uniqueBytes } from './unique-chunks.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quarry-cdc-'));
});
afterAll(() => rm(dir, { recursive: true }));

async function exampleOf(name: string): Promise<string> {
  const format = await readFile(join(import.meta.dirname, '../../packages/content/FORMAT.md'), 'utf8');
  const [, example = ''] = format.split(`<!-- example: ${name} -->`);
  return example.split('```')[1]?.trim() ?? '';
}

async function fileOf(name: string, ...parts: Buffer[]): Promise<string> {
  await writeFile(join(dir, name), Buffer.concat(parts));
  return join(dir, name);
}

async function lengthsOf(path: string): Promise<number[]> {
  const lengths: number[] = [];
  for await (const chunk of cdcChunks(path)) lengths.push(chunk.length);
  return lengths;
}

/** Bytes that anybody can make again: the digests of the numbers from `first` on. */
function digests(first: number, count: number): Buffer {
  const number = Buffer.alloc(4);
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      number.writeUInt32LE(first + i);
      return blake3OfBlock(number);
    }),
  );
}

describe('the independent cdc-64k', () => {
  test('its hash of one block is BLAKE3', async () => {
    expect(blake3OfBlock(Buffer.alloc(0)).toString('hex')).toBe(await exampleOf('digest-empty'));
    // The first test vector of the BLAKE3 team with a byte in it.
    expect(blake3OfBlock(Buffer.from([0])).toString('hex')).toBe(
      '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
    );
    expect(() => blake3OfBlock(Buffer.alloc(65))).toThrow(RangeError);
  });

  test('its gear is the one of FORMAT.md', async () => {
    const words = [...gear.subarray(0, 8), gear[255] ?? 0].map((word) => word.toString(16).padStart(8, '0'));
    expect(words.join(' ')).toBe(await exampleOf('gear'));
  });

  test('it cuts FORMAT.md’s example as FORMAT.md says', async () => {
    const lengths = await lengthsOf(await fileOf('example', digests(0, 32_768)));
    expect(lengths.join(' ')).toBe((await exampleOf('cuts')).replaceAll(/\s+/g, ' '));
  });

  test('zeros are cut at the largest size, and what is smaller than the smallest is one chunk', async () => {
    expect(await lengthsOf(await fileOf('zeros', Buffer.alloc(600_000)))).toEqual([262_144, 262_144, 75_712]);
    expect(await lengthsOf(await fileOf('small', digests(0, 10)))).toEqual([320]);
    expect(await lengthsOf(await fileOf('none'))).toEqual([]);
  });

  test('cuts do not depend on how the file is read: over 4 MiB the chunks add up to the file, and come back after an insertion', async () => {
    const bytes = createHash('shake256', { outputLength: 6_400_000 }).digest();
    const plain = await fileOf('plain', bytes);
    const inserted = await fileOf('inserted', Buffer.from('13 bytes more'), bytes);
    const lengths = await lengthsOf(plain);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
    expect(lengths.slice(0, -1).every((length) => length >= 16_384 && length <= 262_144)).toBe(true);
    expect((await uniqueBytes([plain], inserted, 'cdc-64k')).bytes).toBeLessThan(0.1 * bytes.length);
    expect((await uniqueBytes([plain], inserted, 'fixed-64k')).bytes).toBeGreaterThan(0.95 * bytes.length);
  });

  test('each path may have its own cutter', async () => {
    const plain = await fileOf('own', digests(0, 8192));
    const found = await uniqueBytes([plain], plain, (path) => (path === plain ? 'cdc-64k' : 'fixed-64k'));
    expect(found).toEqual({ bytes: 0, chunks: 0 });
  });
});
