// The verdict of `npm run bench -- soak` and of `npm run storm -- --soak`: what it calls growing, and what it lets pass.
import { createSeededRandom } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { isGrowing, trendOf } from '../../src/soak/trend.ts';

const random = createSeededRandom(1);
const MINUTE_MS = 60_000;

/** Memory that rises and falls by `noiseMiB`, and grows. */
function samples(minutes: number, perHour: number, noiseMiB: number): { atMs: number; value: number }[] {
  return Array.from({ length: minutes * 30 }, (_, i) => {
    const atMs = i * 2000;
    return { atMs, value: 120 + (perHour * atMs) / (60 * MINUTE_MS) + noiseMiB * (random.next() - 0.5) };
  });
}

test('a leak of 200 MiB an hour is told within ten minutes, among noise of 30 MiB', () => {
  const trend = trendOf(samples(10, 200, 30));
  expect(Math.abs(trend.perHour - 200)).toBeLessThan(trend.uncertainty * 2);
  expect(isGrowing(trend, 32)).toBe(true);
});

test('a slow leak of 60 MiB an hour is told within an hour', () => {
  expect(isGrowing(trendOf(samples(60, 60, 30)), 32)).toBe(true);
});

test('memory that rises and falls and does not grow is flat', () => {
  expect(isGrowing(trendOf(samples(10, 0, 60)), 32)).toBe(false);
  expect(isGrowing(trendOf(samples(60, 0, 60)), 32)).toBe(false);
});

test('too few samples are refused: they tell nothing', () => {
  expect(() => trendOf(samples(0.5, 0, 1))).toThrow('too few');
});
