import { describe, expect, test } from 'vitest';
import { createVirtualClock } from '../src/virtual-clock.ts';

describe('the virtual clock', () => {
  test('stands still until it is advanced', async () => {
    const clock = createVirtualClock(1000);
    expect([clock.now(), clock.wallMs()]).toEqual([0, 1000]);
    await clock.advance(250);
    expect([clock.now(), clock.wallMs()]).toEqual([250, 1250]);
  });

  test('runs what falls due in order of time, then of arrival, each at its own moment', async () => {
    const clock = createVirtualClock();
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${clock.now()}`);
    clock.after(30, note('c'));
    clock.after(10, note('a'));
    clock.after(30, note('d'));
    clock.after(20, note('b'));
    clock.after(31, note('never'));
    await clock.advance(30);
    expect(seen).toEqual(['a@10', 'b@20', 'c@30', 'd@30']);
    expect(clock.pending).toBe(1);
  });

  test('runs what a timer or a promise behind it starts, if it falls due within the same advance', async () => {
    const clock = createVirtualClock();
    const seen: number[] = [];
    const work = async (): Promise<void> => {
      for (let i = 0; i < 3; i += 1) {
        await clock.sleep(10);
        seen.push(clock.now());
      }
    };
    const done = work();
    await clock.advance(25);
    expect(seen).toEqual([10, 20]);
    await clock.advance(5);
    expect(seen).toEqual([10, 20, 30]);
    await done;
  });

  test('wakes a sleeper of no time, or less than none, at once', async () => {
    const clock = createVirtualClock();
    const seen: number[] = [];
    for (const ms of [0, -5, Number.NaN]) clock.after(ms, () => seen.push(clock.now()));
    await clock.advance(0);
    expect(seen).toEqual([0, 0, 0]);
  });

  test('lets a sleeper go when its signal aborts, and forgets its timer', async () => {
    const clock = createVirtualClock();
    const controller = new AbortController();
    const sleep = clock.sleep(1000, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(sleep).rejects.toThrow('enough');
    await expect(clock.sleep(1, { signal: controller.signal })).rejects.toThrow('enough');
    expect(clock.pending).toBe(0);
  });

  test('calls nobody who has cancelled, not even from a timer of the same moment', async () => {
    const clock = createVirtualClock();
    let calls = 0;
    const cancel = clock.after(10, () => (calls += 1));
    const later: (() => void)[] = [];
    clock.after(5, () => later[0]?.());
    later.push(clock.after(10, () => (calls += 10)));
    cancel();
    await clock.advance(10);
    expect(calls).toBe(0);
  });

  test('never goes backwards when two advance it at once', async () => {
    const clock = createVirtualClock();
    const seen: number[] = [];
    for (const ms of [5, 50, 80]) clock.after(ms, () => seen.push(clock.now()));
    await Promise.all([clock.advance(100), clock.advance(10)]);
    expect(clock.now()).toBe(100);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.length).toBe(3);
  });

  test('hands the failure of a callback to whoever advances', async () => {
    const clock = createVirtualClock();
    clock.after(1, () => {
      throw new Error('broken callback');
    });
    await expect(clock.advance(1)).rejects.toThrow('broken callback');
  });
});
