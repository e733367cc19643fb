import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../src/clock.ts';

// The platform's timers are the thing under test: they are replaced, so that weeks take no time.
const DAY_MS = 86_400_000;

describe('the system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('wakes a sleeper after its time and not before', async () => {
    let isAwake = false;
    const sleep = systemClock.sleep(200).then(() => (isAwake = true));
    await vi.advanceTimersByTimeAsync(199);
    expect(isAwake).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(isAwake).toBe(true);
    await sleep;
  });

  test('rounds a fraction of a millisecond up', async () => {
    let calls = 0;
    systemClock.after(1.2, () => (calls += 1));
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toBe(1);
  });

  test('sleeps longer than one timer of the platform can', async () => {
    let isAwake = false;
    const sleep = systemClock.sleep(60 * DAY_MS).then(() => (isAwake = true));
    await vi.advanceTimersByTimeAsync(60 * DAY_MS - 1);
    expect(isAwake).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await sleep;
    expect(isAwake).toBe(true);
  });

  test('sleeps for ever until the signal aborts', async () => {
    const controller = new AbortController();
    const sleep = systemClock.sleep(Infinity, { signal: controller.signal });
    const settled = vi.fn<() => void>();
    const watched = sleep.then(settled, settled);
    await vi.advanceTimersByTimeAsync(100 * DAY_MS);
    expect(settled).not.toHaveBeenCalled();
    controller.abort(new Error('enough'));
    await expect(sleep).rejects.toThrow('enough');
    await watched;
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does not fall asleep under a signal that has aborted', async () => {
    await expect(systemClock.sleep(1000, { signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow('late');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('calls nobody who has cancelled', async () => {
    let calls = 0;
    const cancel = systemClock.after(10, () => (calls += 1));
    systemClock.after(10, () => (calls += 10));
    cancel();
    cancel();
    await vi.advanceTimersByTimeAsync(10);
    expect(calls).toBe(10);
  });
});

describe('the machine behind the system clock', () => {
  test('never goes backwards, and knows the calendar', () => {
    const first = systemClock.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(first);
    expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(1000);
  });

  test('holds no listener on a signal once the sleep is over', async () => {
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    await systemClock.sleep(0, { signal: controller.signal });
    expect(removed).toHaveBeenCalledTimes(1);
  });

  test('is not kept alive by `after`', () => {
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const cancel = systemClock.after(60_000, () => {});
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length).toBe(before);
    cancel();
  });
});
