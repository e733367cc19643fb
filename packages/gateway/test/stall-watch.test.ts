import { createVirtualClock } from '@quarry/runtime';
import { describe, expect, it } from 'vitest';
import { createStallWatch } from '../src/stall-watch.ts';

function watched(): {
  clock: ReturnType<typeof createVirtualClock>;
  watch: ReturnType<typeof createStallWatch>;
  stalls: number[];
} {
  const clock = createVirtualClock();
  const stalls: number[] = [];
  return { clock, watch: createStallWatch(clock, 1_000, () => stalls.push(clock.now())), stalls };
}

describe('a stall watch', () => {
  it('notices once that nothing has come since it was awaited', async () => {
    const { clock, watch, stalls } = watched();
    watch.await();
    await clock.advance(600);
    watch.await(); // it was awaited already
    await clock.advance(5_000);
    expect(stalls).toEqual([1_000]);
  });

  it('counts from the last that came, with one timer however much comes', async () => {
    const { clock, watch, stalls } = watched();
    watch.await();
    for (let i = 0; i < 50; i += 1) {
      await clock.advance(100);
      watch.moved();
      expect(clock.pending).toBe(1);
    }
    await clock.advance(999);
    expect(stalls).toEqual([]);
    await clock.advance(1);
    expect(stalls).toEqual([6_000]);
  });

  it('lets whoever is not awaited take any time', async () => {
    const { clock, watch, stalls } = watched();
    watch.await();
    watch.rest();
    await clock.advance(10_000);
    watch.await();
    await clock.advance(999);
    expect(stalls).toEqual([]);
    await clock.advance(1);
    expect(stalls).toEqual([11_000]);
  });

  it('leaves no timer behind', async () => {
    const { clock, watch, stalls } = watched();
    watch.await();
    watch.close();
    watch.moved();
    await clock.advance(10_000);
    expect([clock.pending, stalls]).toEqual([0, []]);
  });
});
