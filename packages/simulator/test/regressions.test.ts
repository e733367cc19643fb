import { describe, expect, test } from 'vitest';
import { runSeed } from '../src/chaos/run-seed.ts';
import { simulate } from '../src/world/simulate.ts';

/**
 * Seeds of `npm run simulate -- --chaos` that once broke something, named by what they found. A change to randomStorm makes other storms of
 * them: then look for the bug's seed again with the fix taken out.
 */
const seeds: readonly (readonly [seed: number, found: string])[] = [
  [306, 'a read of the store went on though a peer that had stalled counted again and showed all of it'],
  [11701, 'a fetch was never given up while its reads waited for their turn, hung, and were tried again'],
];

describe('seeds that found a bug', () => {
  test.each(seeds)('%i: %s', async (seed) => {
    const { broken, crash } = await runSeed(simulate, seed);
    expect({ broken, crash }).toEqual({ broken: [], crash: undefined });
  });

  test('are named once', () => {
    expect(new Set(seeds.map(([seed]) => seed)).size).toBe(seeds.length);
  });
});
