import { describe, expect, test } from 'vitest';
import { CodedError } from '../src/coded-error.ts';
import { createSeededRandom } from '../src/random.ts';
import type { Random } from '../src/random.ts';
import { retry } from '../src/retry.ts';
import type { RetryOptions } from '../src/retry.ts';
import { createVirtualClock } from '../src/virtual-clock.ts';

const busy = (): CodedError => new CodedError('BUSY', 'busy', { canRetry: true });
const highest: Random = { ...createSeededRandom(1), next: () => 0.999999 };
const options: RetryOptions = { attempts: 4, firstDelayMs: 100, maxDelayMs: 250 };

describe('retrying', () => {
  test('gives what the work gives, told how often it was tried', async () => {
    const clock = createVirtualClock();
    const attempts: number[] = [];
    const result = retry(
      { clock, random: highest },
      async (attempt) => {
        attempts.push(attempt);
        if (attempt < 3) throw busy();
        return 'done';
      },
      options,
    );
    await clock.advance(1000);
    expect(await result).toBe('done');
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('pauses up to twice as long each time, up to the longest', async () => {
    const clock = createVirtualClock();
    const at: number[] = [];
    const result = retry(
      { clock, random: highest },
      async () => {
        at.push(Math.round(clock.now()));
        throw busy();
      },
      options,
    ).catch((error: unknown) => error);
    await clock.advance(10_000);
    expect(await result).toMatchObject({ code: 'BUSY' });
    expect(at).toEqual([0, 100, 300, 550]);
  });

  test('spreads a crowd over the whole pause', async () => {
    const clock = createVirtualClock();
    const random = createSeededRandom(9);
    const at: number[] = [];
    const crowd = Array.from({ length: 200 }, () =>
      retry(
        { clock, random },
        async (attempt) => {
          if (attempt === 1) throw busy();
          at.push(clock.now());
        },
        options,
      ),
    );
    await clock.advance(100);
    await Promise.all(crowd);
    for (const quarter of [0, 25, 50, 75]) {
      expect(at.filter((ms) => ms >= quarter && ms < quarter + 25).length).toBeGreaterThan(25);
    }
  });

  test.for([
    ['an error that does not say that it can be tried again', new CodedError('GONE', 'gone')],
    ['an error of another kind', new TypeError('mistake')],
    ['what is no error', 'text'],
    ['nothing', undefined],
  ] as const)('gives up at once on %s', async ([, thrown]) => {
    let attempts = 0;
    const result = retry(
      { clock: createVirtualClock(), random: highest },
      () => {
        attempts += 1;
        return Promise.reject(thrown as Error);
      },
      options,
    );
    await expect(result).rejects.toBe(thrown);
    expect(attempts).toBe(1);
  });

  test('asks the caller which failures can be tried again, where it wants to be asked', async () => {
    const clock = createVirtualClock();
    let attempts = 0;
    const result = retry(
      { clock, random: highest },
      async () => {
        attempts += 1;
        throw new Error('odd');
      },
      { ...options, isRetryable: (error) => error instanceof Error && error.message === 'odd' },
    ).catch(() => 'gave up');
    await clock.advance(10_000);
    expect([await result, attempts]).toEqual(['gave up', 4]);
  });

  test('ends with the signal, in a pause as before the first attempt', async () => {
    const clock = createVirtualClock();
    const controller = new AbortController();
    let attempts = 0;
    const work = async (): Promise<void> => {
      attempts += 1;
      throw busy();
    };
    const result = retry({ clock, random: highest }, work, { ...options, signal: controller.signal });
    const settled = expect(result).rejects.toThrow('enough');
    await clock.advance(10);
    controller.abort(new Error('enough'));
    await settled;
    await expect(retry({ clock, random: highest }, work, { ...options, signal: controller.signal })).rejects.toThrow(
      'enough',
    );
    expect([attempts, clock.pending]).toEqual([1, 0]);
  });

  test('does not try again what failed because of the signal', async () => {
    const controller = new AbortController();
    const result = retry(
      { clock: createVirtualClock(), random: highest },
      async () => {
        controller.abort(new Error('enough'));
        throw busy();
      },
      { ...options, signal: controller.signal },
    );
    await expect(result).rejects.toMatchObject({ code: 'BUSY' });
  });
});
