import { describe, expect, test } from 'vitest';
import { boundOf, expandScenario, loadScenario, scenarioNames } from '../src/index.ts';
import { expectSound } from './sound-storm.ts';

describe('the scenarios that come with Quarry', () => {
  const names = scenarioNames().map(({ name }) => name);

  test('hold those of the table of what must be shown', () => {
    const shown = ['same-image', 'fast-origin', 'distinct-snapshots', 'warm-base', 'shelved-here-cold'];
    shown.push('shelved-here-warm', 'staggered', 'mixed-speed', 'rack-aware', 'killed', 'no-seeder', 'small-image');
    expect(names).toEqual(expect.arrayContaining([...shown, 'origin-down', 'liars', 'morning']));
  });

  test.each(names)('%s makes a storm without contradictions, the same one for the same seed', (name) => {
    const scenario = loadScenario(name);
    const storm = expandScenario(scenario, { seed: 7, nodes: 40 });
    expectSound(storm);
    expect(storm.hosts).toHaveLength(40);
    expect(expandScenario(loadScenario(name), { seed: 7, nodes: 40 })).toEqual(storm);
    const { boundMs } = boundOf(storm);
    expect(boundMs).toBeGreaterThan(0);
    expect(storm.limitMs).toBeGreaterThan(boundMs);
  });

  test.each(names)('%s takes as many tenths of the time on ten times the link', (name) => {
    const scenario = loadScenario(name);
    const slow = boundOf(expandScenario(scenario, { seed: 7, nodes: 40, link: 125e6 }));
    const fast = boundOf(expandScenario(scenario, { seed: 7, nodes: 40, link: 1250e6 }));
    expect(fast.boundMs).toBeCloseTo(slow.boundMs / 10, 6);
    expect(fast.uniqueBytes).toBe(slow.uniqueBytes);
  });
});
