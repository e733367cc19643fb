import { createSeededRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { judgeSoak } from '../../src/soak/soak-verdict.ts';
import type { SoakQuantity, SoakSeries } from '../../src/soak/soak-verdict.ts';

const MINUTE_MS = 60_000;

/** Rises by `warmUp` in the first tenth, by `perHour` all the time, and is off by up to half of `noise`. */
function series(
  quantity: SoakQuantity,
  options: { minutes: number; perHour?: number; noise?: number; warmUp?: number; daemon?: string; seed?: number },
): SoakSeries {
  const { minutes, perHour = 0, noise = 10, warmUp = 40, daemon = 'host-00', seed = 1 } = options;
  const random = createSeededRandom(seed);
  const samples = Array.from({ length: minutes * 12 }, (_, i) => {
    const part = i / (minutes * 12);
    const value = 80 + warmUp * Math.min(1, part * 10) + perHour * ((part * minutes) / 60);
    return { atMs: part * minutes * MINUTE_MS, value: value + noise * (random.next() - 0.5) };
  });
  return { daemon, quantity, samples };
}

describe('the verdict on a soak', () => {
  test('is that memory is flat which rises at the start only', () => {
    expect(judgeSoak([series('rssMiB', { minutes: 60 })])).toMatchObject([{ quantity: 'rssMiB', verdict: 'flat' }]);
  });

  test('names the one daemon among many that grows', () => {
    const others = Array.from({ length: 7 }, (_, i) =>
      series('rssMiB', { minutes: 60, daemon: `host-0${i}`, seed: i }),
    );
    const verdicts = judgeSoak([...others, series('rssMiB', { minutes: 60, perHour: 100, daemon: 'host-07' })]);
    expect(verdicts).toMatchObject([{ verdict: 'grows', worst: { daemon: 'host-07' } }]);
    expect(verdicts[0]?.worst?.perHour).toBeCloseTo(100, -1);
    expect(verdicts[0]?.trends).toHaveLength(8);
  });

  test('is no verdict after a minute, whatever rises meanwhile', () => {
    const [verdict] = judgeSoak([series('rssMiB', { minutes: 1, perHour: 3000 })]);
    expect(verdict).toMatchObject({ verdict: 'untold', worst: null });
    expect(verdict?.peak).toBeGreaterThan(80);
  });

  test('is not that it is flat where nobody could have seen it grow', () => {
    expect(judgeSoak([series('rssMiB', { minutes: 20, noise: 200 })])).toMatchObject([{ verdict: 'untold' }]);
  });

  test('is that files leak of which one stays open every minute', () => {
    const files = { minutes: 30, perHour: 60, noise: 4, warmUp: 10 };
    expect(judgeSoak([series('openFiles', files)])).toMatchObject([{ verdict: 'grows' }]);
  });

  test('lets a single step of one thread pass', () => {
    const step: SoakSeries = {
      daemon: 'host-00',
      quantity: 'threads',
      samples: Array.from({ length: 200 }, (_, i) => ({ atMs: i * 5000, value: i < 130 ? 12 : 13 })),
    };
    expect(judgeSoak([step])[0]?.verdict).not.toBe('grows');
  });
});
