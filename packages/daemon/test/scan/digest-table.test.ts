import fc from 'fast-check';
import { createSeededRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { createChunkList } from '../../src/scan/chunk-list.ts';
import { createDigestTable } from '../../src/scan/digest-table.ts';
import type { DigestTable } from '../../src/scan/digest-table.ts';

interface Image {
  readonly domain: number;
  readonly chunks: readonly number[];
}

/** Few chunks, so that images and projects meet; chunk number n has n + 1 bytes. */
const images = fc.array(fc.record({ domain: fc.nat(3), chunks: fc.array(fc.nat(15), { maxLength: 12 }) }), {
  maxLength: 8,
});

function addAll(
  table: DigestTable,
  store: readonly Image[],
  digest: (chunk: number) => readonly [number, number],
): void {
  for (const [number, { chunks }] of store.entries())
    for (const chunk of chunks) table.add(...digest(chunk), chunk + 1, number);
}

/** By the rule, slowly: what is public anywhere is everybody's, all else its project's. */
function storedBy(store: readonly Image[]): string[] {
  const publicChunks = new Set(store.flatMap(({ domain, chunks }) => (domain === 0 ? chunks : [])));
  const holders = new Map<string, Set<number>>();
  for (const [number, { domain, chunks }] of store.entries()) {
    for (const chunk of chunks) {
      const key = `${chunk} in ${publicChunks.has(chunk) ? 0 : domain}`;
      holders.set(key, (holders.get(key) ?? new Set()).add(number));
    }
  }
  return [...holders].map(([key, of]) => `${Number(key.split(' ')[0]) + 1} bytes in ${of.size}`).toSorted();
}

describe('the table of digests', () => {
  test('has each chunk once in each domain, whatever the order of images, and counts who has it', () => {
    fc.assert(
      fc.property(images, (store) => {
        const table = createDigestTable({ maxBytes: 2 ** 20, domainOf: (i) => store[i]?.domain ?? 0, slots: 16 });
        addAll(table, store, (chunk) => [chunk * 77, chunk]);
        const found = [...table.entries()].map((entry) => `${entry.bytes} bytes in ${entry.images}`);
        expect(found.toSorted()).toEqual(storedBy(store));
      }),
    );
  });

  test('tells what the border between projects costs', () => {
    const store = [
      { domain: 1, chunks: [5, 6] },
      { domain: 2, chunks: [5, 7] },
      { domain: 3, chunks: [5, 8] },
      { domain: 0, chunks: [7] },
    ];
    const table = createDigestTable({ maxBytes: 2 ** 20, domainOf: (i) => store[i]?.domain ?? 0 });
    addAll(table, store, (chunk) => [chunk, chunk]);
    const behind = [...table.entries()].filter(({ isBehindBorder }) => isBehindBorder);
    expect(behind.map(({ bytes }) => bytes)).toEqual([6, 6]);
  });

  test('stays within its memory, keeps whole chunks and is right on average when it must thin out', () => {
    const random = createSeededRandom(7);
    const word = (): number => Math.floor(random.next() * 2 ** 32);
    const counts: number[] = [];
    for (let run = 0; run < 200; run += 1) {
      const table = createDigestTable({ maxBytes: 40 * 64, domainOf: () => 0, slots: 16 });
      const digests = Array.from({ length: 1000 }, () => [word(), word()] as const);
      for (const image of [0, 1]) for (const [high, low] of digests) table.add(high, low, 100, image);
      expect(table.size).toBeLessThanOrEqual(64);
      const kept = [...table.entries()];
      expect(kept.every((entry) => entry.images === 2 && entry.bytes === 100)).toBe(true);
      counts.push(kept.length * 2 ** table.level);
    }
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    expect(mean).toBeGreaterThan(950);
    expect(mean).toBeLessThan(1050);
  });
});

test('a list of chunks that would pass its memory has the table thin out, and gives what is left', () => {
  const table = createDigestTable({ maxBytes: 2 ** 20, domainOf: () => 0 });
  const list = createChunkList(table, 24 * 64);
  for (let chunk = 0; chunk < 1000; chunk += 1) list.add(chunk, chunk, 1);
  expect(table.level).toBeGreaterThan(3);
  const left: number[] = [];
  list.forEach((_, low) => left.push(low));
  const step = 2 ** table.level;
  expect(left).toEqual(Array.from({ length: Math.ceil(1000 / step) }, (_, i) => i * step));
});
