import { createVirtualClock } from '@quarry/runtime';
import { expect, test } from 'vitest';
import type { Arrivals } from '../src/arrivals.ts';
import type { ImageStep } from '../src/image-steps.ts';
import { streamedSteps } from '../src/streamed-steps.ts';

const STALL_MS = 10_000;

/** Two steps, of which the second comes after `comesAtMs`; something of the image arrives every `arrivesEveryMs`. */
async function stream(options: { readonly comesAtMs: number; readonly arrivesEveryMs: number }) {
  const clock = createVirtualClock();
  const stop = new AbortController();
  let count = 0;
  const told: string[] = [];
  const arrive = (): void => {
    count += 1;
    clock.after(options.arrivesEveryMs, arrive);
  };
  arrive();
  const steps = [0, 1].map((n) => ({ offset: n, length: 1, parts: [{}] }) as unknown as ImageStep);
  const arrivals = {
    get count() {
      return count;
    },
    until: async () => {},
    end: () => {},
  } as unknown as Arrivals;
  const deps = {
    clock,
    arrivals,
    load: async ({ offset }: ImageStep) => {
      if (offset === 1) await clock.sleep(options.comesAtMs, { signal: stop.signal });
      return new Uint8Array([offset]);
    },
    rescue: async ({ offset }: ImageStep) => {
      told.push(`rescued ${offset}`);
      return new Uint8Array([offset]);
    },
    hurry: () => void told.push('hurried'),
    stop: () => stop.abort(new Error('over')),
  };
  const given: number[] = [];
  let isOver = false;
  const reading = (async () => {
    const all = (async function* (): AsyncGenerator<ImageStep> {
      yield* steps;
    })();
    for await (const { offset } of streamedSteps(deps, all, { stallMs: STALL_MS, signal: stop.signal }))
      given.push(offset);
  })().finally(() => (isOver = true));
  for (let n = 0; !isOver && n < 1000; n += 1) await clock.advance(500);
  await reading;
  return { given, told, atMs: clock.now() };
}

test('what is needed next is waited for as long as other parts of the image come: a slow link is no reason to read from the origin', async () => {
  const { given, told } = await stream({ comesAtMs: 6 * STALL_MS, arrivesEveryMs: STALL_MS / 5 });
  expect(given).toEqual([0, 1]);
  expect(told).toEqual([]);
});

test('when nothing comes at all it is asked for again, and then taken from the origin', async () => {
  const { given, told, atMs } = await stream({ comesAtMs: 60 * STALL_MS, arrivesEveryMs: 1e9 });
  expect(given).toEqual([0, 1]);
  expect(told).toEqual(['hurried', 'rescued 1']);
  expect(atMs).toBeLessThan(1.2 * STALL_MS);
});
