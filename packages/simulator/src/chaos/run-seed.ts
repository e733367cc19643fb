import { expectedToFinish } from '../expected-to-finish.ts';
import type { Simulate } from '../simulation.ts';
import { randomStorm } from './random-storm.ts';
import type { ChaosOutcome, ChaosRunners } from './run-chaos.ts';

/** Runs the storm of one seed. What the simulation throws is a finding like any other; only the signal's reason is passed on. */
export async function runSeed(simulate: Simulate, seed: number, signal?: AbortSignal): Promise<ChaosOutcome> {
  const storm = randomStorm(seed);
  const outcome = { seed, unshelves: storm.unshelves.length };
  try {
    const { report, events, broken } = await simulate(storm, { signal });
    const { finished } = report;
    return { ...outcome, expectedToFinish: report.expectedToFinish, finished, events, broken };
  } catch (error) {
    if (signal?.aborted) throw error;
    const crash = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ...outcome, expectedToFinish: expectedToFinish(storm).size, finished: 0, events: 0, broken: [], crash };
  }
}

/** Runners in this very thread: one at a time is worth having. */
export function inThreadRunners(simulate: Simulate): ChaosRunners {
  return () => ({ run: (seed, signal) => runSeed(simulate, seed, signal), close: async () => {} });
}
