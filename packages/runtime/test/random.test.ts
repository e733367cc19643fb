import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSeededRandom, shuffled, systemRandom } from '../src/random.ts';

describe('the seeded random', () => {
  test('repeats itself for a seed, and differs for another', () => {
    const draw = (seed: number): number[] => {
      const random = createSeededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(new Set([...draw(1), ...draw(2), ...draw(3)]).size).toBe(60);
  });

  // Computed with another implementation of xoshiro128** and splitmix32.
  test('is the same for ever: recorded traces depend on it', () => {
    const random = createSeededRandom(42);
    expect([random.next(), random.next(), random.next()].map((x) => Math.floor(x * 2 ** 32))).toEqual([
      2837322924, 544945897, 479756282,
    ]);
    expect(Buffer.from(createSeededRandom(42).bytes(8)).toString('hex')).toBe('a9201cd014060342');
  });

  test('is uniform in [0, 1)', () => {
    const random = createSeededRandom(5);
    const buckets = new Uint32Array(16);
    for (let i = 0; i < 64_000; i += 1) {
      const x = random.next();
      expect(x >= 0 && x < 1).toBe(true);
      buckets[Math.floor(x * 16)] = (buckets[Math.floor(x * 16)] ?? 0) + 1;
    }
    // 4,000 each, give or take 5 standard deviations.
    for (const count of buckets) expect(Math.abs(count - 4000)).toBeLessThan(310);
  });

  test('makes as many bytes as asked for', () => {
    const bytes = createSeededRandom(1).bytes(5000);
    expect(bytes.length).toBe(5000);
    expect(new Set(bytes).size).toBe(256);
  });
});

test('the system random gives numbers in [0, 1) and bytes of the length asked for', () => {
  for (let i = 0; i < 100; i += 1) {
    const x = systemRandom.next();
    expect(x >= 0 && x < 1).toBe(true);
  }
  expect(systemRandom.bytes(33).length).toBe(33);
  expect(Buffer.compare(systemRandom.bytes(16), systemRandom.bytes(16))).not.toBe(0);
});

describe('shuffling', () => {
  test('keeps every item and leaves the original as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.nat(), (items, seed) => {
        const before = [...items];
        const out = shuffled(items, createSeededRandom(seed));
        expect(items).toEqual(before);
        expect(out.toSorted((a, b) => a - b)).toEqual(before.toSorted((a, b) => a - b));
      }),
    );
  });

  test('gives every order the same chance', () => {
    const random = createSeededRandom(3);
    const orders = new Map<string, number>();
    for (let i = 0; i < 6000; i += 1) {
      const order = shuffled(['a', 'b', 'c'], random).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
