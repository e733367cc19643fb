import fc from 'fast-check';
import { createSeededRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { createSoakPlan } from '../../src/soak/soak-plan.ts';
import type { SoakStep } from '../../src/soak/soak-plan.ts';

interface Played {
  readonly steps: readonly SoakStep[];
  readonly failed: ReadonlySet<SoakStep>;
}

/** Steps begin as soon as they can, so many at once, and end in any order; some fail. `look` sees all that are under way. */
function play(
  seed: number,
  options: { readonly hosts: number; readonly count: number; readonly look?: (underWay: readonly SoakStep[]) => void },
): Played {
  const random = createSeededRandom(seed);
  const restartable = Array.from({ length: options.hosts - 1 }, (_, i) => i + 1);
  const plan = createSoakPlan(random, { hosts: options.hosts, instances: 2 * options.hosts, restartable });
  const steps: SoakStep[] = [];
  const failed = new Set<SoakStep>();
  const underWay: SoakStep[] = [];
  while (steps.length < options.count) {
    const step = underWay.length < 4 ? plan.begin() : undefined;
    if (step) {
      steps.push(step);
      underWay.push(step);
      options.look?.(underWay);
      continue;
    }
    expect(underWay.length, 'something is always under way or possible').toBeGreaterThan(0);
    const [ended] = underWay.splice(Math.floor(random.next() * underWay.length), 1);
    if (!ended) continue;
    const isDone = random.next() < 0.95;
    if (!isDone) failed.add(ended);
    plan.end(ended, isDone);
  }
  return { steps, failed };
}

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const hosts = fc.integer({ min: 2, max: 8 });

describe('the plan of a soak', () => {
  test('leads every instance through boot, shelve, unshelve and deletion in this order, whatever fails', () => {
    const before: Readonly<Record<string, readonly string[]>> = {
      boot: [''],
      shelve: ['boot', 'delete'],
      unshelve: ['shelve'],
      delete: ['unshelve', 'shelve'],
    };
    fc.assert(
      fc.property(seeds, hosts, (seed, count) => {
        const { steps, failed } = play(seed, { hosts: count, count: 100 });
        const last = new Map<number, SoakStep>();
        for (const step of steps) {
          if (step.kind === 'restart') continue;
          const was = last.get(step.instance);
          expect(before[step.kind]).toContain(was?.kind ?? '');
          expect(was !== undefined && failed.has(was)).toBe(false);
          if (step.kind === 'delete') expect(step.isLast).toBe(was?.kind === 'shelve');
          if (step.kind === 'shelve') expect(step.host, 'it is shelved where it runs').toBe(was?.host);
          last.set(step.instance, step);
        }
      }),
    );
  });

  test('has one step for an instance at a time, and none on a host that restarts', () => {
    const look = (underWay: readonly SoakStep[]): void => {
      const instances = underWay.flatMap((step) => (step.kind === 'restart' ? [] : [step.instance]));
      expect(new Set(instances).size).toBe(instances.length);
      const restarts = underWay.flatMap((step) => (step.kind === 'restart' ? [step.host] : []));
      expect(restarts.length).toBeLessThanOrEqual(1);
      expect(underWay.filter(({ host }) => restarts.includes(host)).length).toBe(restarts.length);
    };
    fc.assert(fc.property(seeds, hosts, (seed, count) => void play(seed, { hosts: count, count: 100, look })));
  });

  test('does everything in the end, and restarts only who may', () => {
    const { steps } = play(7, { hosts: 3, count: 1000 });
    const count = (of: (step: SoakStep) => boolean): number => steps.filter(of).length;
    for (const kind of ['boot', 'shelve', 'unshelve', 'delete'])
      expect(count((s) => s.kind === kind)).toBeGreaterThan(20);
    for (const isClean of [true, false])
      expect(count((s) => s.kind === 'restart' && s.isClean === isClean)).toBeGreaterThan(5);
    expect(count((s) => s.kind === 'delete' && s.isLast)).toBeGreaterThan(5);
    expect(count((s) => s.kind === 'restart' && s.host === 0)).toBe(0);
  });

  test('is the same for the same seed', () => {
    expect(play(3, { hosts: 4, count: 300 }).steps).toEqual(play(3, { hosts: 4, count: 300 }).steps);
  });
});
