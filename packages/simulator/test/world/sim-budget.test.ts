import { expandScenario, loadScenario } from '@quarry/scenario';
import type { Storm } from '@quarry/scenario';
import { budgetDefaults } from '@quarry/swarm/scheduler';
import { describe, expect, test } from 'vitest';
import { createWorld } from '../../src/world/create-world.ts';
import { unlimitedBudget } from '../../src/world/sim-budget.ts';
import { simulate } from '../../src/world/simulate.ts';
import { tinyStorm } from '../support/tiny-storm.ts';

const SEEDS = [1, 2, 3];

function small(name: string, seed: number): Storm {
  return expandScenario(loadScenario(name), { seed, nodes: 10 });
}

/** What the image takes at the rate of the budget. */
function bestSeconds(storm: Storm): number {
  return (storm.packs.reduce((sum, { chunks }) => sum + chunks, 0) * 65_536) / storm.origin.budgetBytesPerSecond;
}

/** So long what was lent to a grantor that died is nobody's: it might only be out of reach. */
const LENT_SECONDS = (3 * budgetDefaults.leaseMs) / 1000;

describe('the origin budget in a storm', () => {
  // That leases and bytes stay within it, in every second, and reads within theirs, the invariants check.
  test.each(SEEDS)(
    'is kept when the seeder dies half-way and nodes read Glance, and all finish (seed %i)',
    async (seed) => {
      const storm = small('budget', seed);
      const { report, broken } = await simulate(storm, {});
      expect(broken).toEqual([]);
      expect(report.finished).toBe(10);
      expect(report.makespanSeconds).toBeGreaterThan(bestSeconds(storm));
      expect(report.makespanSeconds).toBeLessThan(1.5 * bestSeconds(storm) + LENT_SECONDS);
      expect(report.originAmplification).toBeLessThan(1.15);
    },
    60_000,
  );

  test.each(SEEDS)(
    'is kept where there is no seeder, and all finish (seed %i)',
    async (seed) => {
      const storm = small('no-seeder-budget', seed);
      const { report, broken } = await simulate(storm, {});
      expect(broken).toEqual([]);
      expect(report.finished).toBe(10);
      expect(report.makespanSeconds).toBeLessThan(1.8 * bestSeconds(storm));
      expect(report.originAmplification).toBeLessThan(1.15);
    },
    60_000,
  );

  test('is used to the full by a seeder that stays', async () => {
    const storm = { ...small('budget', 1), faults: [] };
    const { report, broken } = await simulate(storm, {});
    expect(broken).toEqual([]);
    expect(report.makespanSeconds).toBeLessThan(1.1 * bestSeconds(storm));
    expect(report.originAmplification).toBeCloseTo(1, 9);
  }, 60_000);

  test('holds over a split and a restart', async () => {
    const storm = small('no-seeder-budget', 4);
    const faults: Storm['faults'] = [
      { kind: 'partition', hosts: [0, 1, 2, 3], atMs: 2000, untilMs: 9000 },
      { kind: 'stall', host: 5, atMs: 1500, untilMs: 5000 },
      { kind: 'kill', host: 7, atMs: 3000 },
      { kind: 'restart', host: 7, atMs: 4000, tornChunks: 0 },
    ];
    const { report, broken } = await simulate({ ...storm, faults }, {});
    expect(broken).toEqual([]);
    expect(report.finished).toBe(10);
  }, 60_000);

  test('costs not one event where there is none', () => {
    const { origin } = tinyStorm();
    const unlimited = createWorld(tinyStorm(), undefined);
    for (const { budget } of [...unlimited.nodes, ...unlimited.seeders]) expect(budget).toBe(unlimitedBudget);
    const limited = createWorld(tinyStorm({ origin: { ...origin, budgetReads: 3 } }), undefined);
    expect(limited.seeders[0]?.budget.isLimited).toBe(true);
    // One timer for each of three hosts and a seeder.
    expect(limited.queue.pending - unlimited.queue.pending).toBe(4);
  });
});
