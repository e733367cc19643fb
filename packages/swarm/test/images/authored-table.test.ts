import { digestOf, imageLocatorFrom } from '@quarry/content';
import type { ImageLocator } from '@quarry/content';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAuthoredTable } from '../../src/images/authored-table.ts';
import type { AuthoredTable } from '../../src/images/authored-table.ts';
import type { PeerId } from '../../src/ports/network.ts';

const peer = (name: string): PeerId => name as PeerId;
const locator = (number: number): ImageLocator => imageLocatorFrom(digestOf(Buffer.from(`${number}`)));

function tableOf(
  sizes: { maxEntries?: number; maxPerAuthor?: number; maxPerImage?: number } = {},
): AuthoredTable<number> {
  let serial = 0;
  return createAuthoredTable<number>({
    maxEntries: 8,
    maxPerAuthor: 8,
    maxPerImage: 3,
    nextSerial: () => (serial += 1),
    ...sizes,
  });
}
const put = (
  table: AuthoredTable<number>,
  image: number,
  author: string,
  choice: { value?: number; untilMs?: number; isRelayed?: boolean } = {},
): boolean =>
  table.put(
    {
      locator: locator(image),
      author: peer(author),
      value: choice.value ?? 0,
      heardAtMs: 0,
      untilMs: choice.untilMs ?? 100,
    },
    { isRelayed: choice.isRelayed ?? false },
  );
const authorsOf = (table: AuthoredTable<number>, image: number, nowMs = 0): string[] =>
  table.find(locator(image), nowMs).map(({ author }) => author);

describe('what members say of images', () => {
  test('is found latest first, one word of each, until it expires', () => {
    const table = tableOf();
    put(table, 1, 'a', { value: 1 });
    put(table, 1, 'b', { untilMs: 50 });
    put(table, 1, 'a', { value: 2 });
    expect(authorsOf(table, 1)).toEqual(['a', 'b']);
    expect(table.find(locator(1), 0)[0]?.value).toBe(2);
    expect(authorsOf(table, 1, 50)).toEqual(['a']);
    table.expire(50);
    expect(table.size).toBe(1);
    expect(authorsOf(table, 2)).toEqual([]);
  });

  test('of one image more than it remembers drives out the oldest', () => {
    const table = tableOf();
    for (const author of ['a', 'b', 'c', 'd']) put(table, 1, author);
    expect(authorsOf(table, 1)).toEqual(['d', 'c', 'b']);
  });

  test('by one who says too much drives out his own words, and not those of others', () => {
    const table = tableOf();
    for (let image = 0; image < 3; image += 1) put(table, image, 'honest');
    for (let image = 100; image < 200; image += 1) put(table, image, 'loud');
    for (let image = 0; image < 3; image += 1) expect(authorsOf(table, image)).toEqual(['honest']);
    expect(table.size).toBe(8);
    expect(authorsOf(table, 199)).toEqual(['loud']);
  });

  test('that is relayed takes nobody’s place, and does not change what its author said here', () => {
    const table = tableOf();
    for (let image = 0; image < 8; image += 1) put(table, image, `author-${image}`, { value: 1 });
    expect(put(table, 9, 'x', { isRelayed: true })).toBe(false);
    expect(put(table, 1, 'author-1', { value: 2, isRelayed: true })).toBe(true);
    expect(table.find(locator(1), 0)[0]?.value).toBe(1);
    expect(table.size).toBe(8);
  });

  test('comes page by page, in the order in which it was said', () => {
    const table = tableOf();
    for (let image = 0; image < 5; image += 1) put(table, image, 'a', { untilMs: image === 2 ? 1 : 100 });
    const first = table.after(0, 3, 1);
    expect(first.map((entry) => entry.locator)).toEqual([locator(0), locator(1), locator(3)]);
    expect(table.after(first.at(-1)?.serial ?? 0, 3, 1).map((entry) => entry.locator)).toEqual([locator(4)]);
  });

  test('never takes more room than it may, whatever is said', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(12), fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.boolean(), fc.nat(9)), {
          maxLength: 200,
        }),
        (words) => {
          const table = tableOf({ maxPerAuthor: 4 });
          for (const [image, author, isRelayed, act] of words) {
            if (act === 0) table.remove(locator(image), peer(author));
            else put(table, image, author, { isRelayed });
            const all = table.after(0, 100, 0);
            expect(all.length).toBe(table.size);
            expect(table.size).toBeLessThanOrEqual(8);
            for (const name of ['a', 'b', 'c', 'd', 'e'])
              expect(all.filter((entry) => entry.author === name).length).toBeLessThanOrEqual(4);
            for (const { locator: one, author: by } of all) {
              expect(table.find(one, 0).some((entry) => entry.author === by)).toBe(true);
              expect(table.find(one, 0).length).toBeLessThanOrEqual(3);
            }
          }
        },
      ),
    );
  });
});
