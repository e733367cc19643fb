import { expect, test } from 'vitest';
import { runChaos } from '../../src/chaos/run-chaos.ts';
import { inThreadRunners } from '../../src/chaos/run-seed.ts';
import { simulate } from '../../src/world/simulate.ts';

/** Others than the first 2,000, which continuous integration runs by themselves. */
const FROM_SEED = 1_000_001;
const RUNS = 60;

test(`${RUNS} storms with whatever can go wrong break no rule`, { timeout: 120_000 }, async () => {
  const { signal } = new AbortController();
  const options = { fromSeed: FROM_SEED, runs: RUNS, maxFailures: RUNS, workers: 1, signal };
  const summary = await runChaos(inThreadRunners(simulate), options);
  expect(summary.failures).toEqual([]);
  expect(summary).toMatchObject({ runs: RUNS });
  // And it was something to ask for.
  expect(summary.expectedToFinish).toBeGreaterThan(4 * RUNS);
});
