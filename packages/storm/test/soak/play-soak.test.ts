import { createSeededRandom, createVirtualClock } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { playSoak } from '../../src/soak/play-soak.ts';
import type { SoakHands } from '../../src/soak/play-soak.ts';

const options = { hosts: 3, instances: 6, restartable: [2], concurrent: 3, durationMs: 600_000 };
const fine = { compared: 1000, wrong: 0 };

/** Each step takes ten virtual seconds. */
async function play(perform: SoakHands['perform'], stop = new AbortController()): ReturnType<typeof playSoak> {
  const clock = createVirtualClock();
  const hands: SoakHands = {
    async perform(step, waiting) {
      await clock.sleep(10_000, waiting);
      return perform(step, waiting);
    },
  };
  const playing = playSoak({ clock, random: createSeededRandom(1), hands }, { ...options, signal: stop.signal });
  let isOver = false;
  playing.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1000);
  }
  return playing;
}

test('a soak goes on until its time is over, with as many steps at once as it may have', async () => {
  let [now, most] = [0, 0];
  const played = await play(async () => {
    most = Math.max(most, (now += 1));
    await Promise.resolve();
    now -= 1;
    return fine;
  });
  const steps = Object.values(played.done).reduce((sum, count) => sum + count, 0);
  expect(played.seconds).toBeGreaterThanOrEqual(600);
  expect(played.seconds).toBeLessThan(640);
  expect(steps).toBeGreaterThan(100);
  expect(most).toBeLessThanOrEqual(3);
  expect(played).toMatchObject({ failures: [], wrongBytes: 0, comparedBytes: 1000 * steps });
});

test('what fails is told with its step, and the soak goes on', async () => {
  let unshelves = 0;
  const played = await play(async ({ kind }) => {
    if (kind === 'unshelve' && (unshelves += 1) === 2) throw new Error('curl ended with 22');
    return fine;
  });
  expect(played.failures).toMatchObject([{ step: { kind: 'unshelve' }, message: 'curl ended with 22' }]);
  expect(played.done.unshelve).toBe(unshelves - 1);
});

test('a wrong byte is counted, and its instance is used no more', async () => {
  const wrong = new Set<number>();
  const played = await play(async (step) => {
    if (step.kind === 'restart') return fine;
    expect(wrong.has(step.instance)).toBe(false);
    if (step.kind !== 'boot' || wrong.size > 0) return fine;
    wrong.add(step.instance);
    return { compared: 1000, wrong: 3 };
  });
  expect(played.wrongBytes).toBe(3);
});

test('a soak that is stopped rejects with the reason', async () => {
  const stop = new AbortController();
  const reason = new Error('stopped');
  const playing = play(async ({ kind }) => {
    if (kind === 'shelve') stop.abort(reason);
    return fine;
  }, stop);
  await expect(playing).rejects.toBe(reason);
});
