import { describe, expect, test } from 'vitest';
import { createRateLimit } from '../src/rate-limit.ts';
import type { RateLimit } from '../src/rate-limit.ts';
import { createSeededRandom } from '../src/random.ts';
import { createVirtualClock } from '../src/virtual-clock.ts';
import type { VirtualClock } from '../src/virtual-clock.ts';

interface Flow {
  passedBytes: number;
}

/** Takes slice after slice until it is told to stop; each takes the host `costMs` besides. */
function run(
  limit: RateLimit,
  clock: VirtualClock,
  costMs: () => number = () => 0,
): Flow & { readonly stop: () => void } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const counted = { passedBytes: 0, stop: () => stopping.abort() };
  const work = async (): Promise<void> => {
    while (!signal.aborted) {
      const bytes = limit.slice(1024 * 1024);
      await limit.take(bytes, { signal });
      counted.passedBytes += bytes;
      const pauseMs = costMs();
      if (pauseMs > 0) await clock.sleep(pauseMs, { signal });
    }
  };
  work().catch(() => {});
  return counted;
}

describe.for([1e6, 10e6, 100e6])('a limit of %d bytes a second', (rate) => {
  test('holds within 3 % over three seconds, from the first moment on', async () => {
    const clock = createVirtualClock();
    const limit = createRateLimit(clock, rate);
    const flows = Array.from({ length: 5 }, () => run(limit, clock));
    await clock.advance(3000);
    const passed = flows.reduce((sum, { passedBytes }) => sum + passedBytes, 0);
    for (const { stop } of flows) stop();
    expect(passed / (3 * rate)).toBeGreaterThan(0.97);
    expect(passed / (3 * rate)).toBeLessThanOrEqual(1.0);
  });

  test('holds for one flow whose host is busy in between', async () => {
    const clock = createVirtualClock();
    const random = createSeededRandom(1);
    const limit = createRateLimit(clock, rate);
    const one = run(limit, clock, () => random.next() * 2); // at most 2 ms of each 2.6 to 10
    await clock.advance(3000);
    one.stop();
    expect(one.passedBytes / (3 * rate)).toBeGreaterThan(0.97);
    expect(one.passedBytes / (3 * rate)).toBeLessThanOrEqual(1.0);
  });

  test('is shared evenly', async () => {
    const clock = createVirtualClock();
    const limit = createRateLimit(clock, rate);
    const flows = Array.from({ length: 4 }, () => run(limit, clock));
    await clock.advance(3000);
    for (const { stop, passedBytes } of flows) {
      stop();
      expect(passedBytes / ((3 * rate) / 4)).toBeGreaterThan(0.95);
    }
  });
});

test('nothing goes ahead after a pause', async () => {
  const clock = createVirtualClock();
  const limit = createRateLimit(clock, 1e6);
  const before = run(limit, clock);
  await clock.advance(1000);
  before.stop();
  await clock.advance(60_000);
  const after = run(limit, clock);
  await clock.advance(1000);
  after.stop();
  expect(after.passedBytes).toBeLessThanOrEqual(1e6);
  expect(after.passedBytes).toBeGreaterThan(0.97e6);
});

test('a change counts at once, also for those who wait', async () => {
  const clock = createVirtualClock();
  const limit = createRateLimit(clock, 10);
  const one = run(limit, clock);
  await clock.advance(1000);
  expect(one.passedBytes).toBe(0);
  limit.setRate(1e6);
  await clock.advance(1000);
  expect(one.passedBytes).toBeGreaterThan(0.97e6);
  limit.setRate(Infinity);
  expect(limit.take(1e9)).toBeUndefined();
  one.stop();
});

test('who gives up has taken nothing, and those behind go on', async () => {
  const clock = createVirtualClock();
  const limit = createRateLimit(clock, 1000);
  const leaving = new AbortController();
  const large = limit.take(1e6, { signal: leaving.signal });
  let isServed = false;
  const small = Promise.resolve(limit.take(500)).then(() => (isServed = true));
  await clock.advance(100);
  leaving.abort(new Error('not wanted'));
  await expect(large).rejects.toThrow('not wanted');
  await clock.advance(450);
  await small;
  expect(isServed).toBe(true);
  expect(clock.pending).toBe(0);
  await expect(limit.take(1, { signal: leaving.signal })).rejects.toThrow('not wanted');
});

test('what is no rate or no amount is refused', () => {
  const clock = createVirtualClock();
  for (const rate of [0, -1, Number.NaN]) expect(() => createRateLimit(clock, rate)).toThrow(TypeError);
  expect(() => createRateLimit(clock, 1).take(Number.NaN)).toThrow(TypeError);
});
