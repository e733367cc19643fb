import { describe, expect, test } from 'vitest';
import { createSingleFlight } from '../src/single-flight.ts';

/** Work that ends when it is told to. */
function createWork(): {
  readonly run: (signal: AbortSignal) => Promise<string>;
  readonly started: AbortSignal[];
  finish(value: string): void;
  fail(error: Error): void;
} {
  const started: AbortSignal[] = [];
  let gate = Promise.withResolvers<string>();
  return {
    run: (signal) => {
      started.push(signal);
      gate = Promise.withResolvers<string>();
      return gate.promise;
    },
    started,
    finish: (value) => gate.resolve(value),
    fail: (error) => gate.reject(error),
  };
}

describe('single flight', () => {
  test('does the work once for all who ask at the same moment', async () => {
    const flight = createSingleFlight<string>();
    const work = createWork();
    const results = [flight.run('a', work.run), flight.run('a', work.run), flight.run('a', work.run)];
    expect(flight.size).toBe(1);
    work.finish('done');
    expect(await Promise.all(results)).toEqual(['done', 'done', 'done']);
    expect(work.started.length).toBe(1);
    expect(flight.size).toBe(0);
  });

  test('keeps keys apart, and does the work again for who asks later', async () => {
    const flight = createSingleFlight<string>();
    const [a, b] = [createWork(), createWork()];
    const both = [flight.run('a', a.run), flight.run('b', b.run)];
    a.finish('a');
    b.finish('b');
    expect(await Promise.all(both)).toEqual(['a', 'b']);
    const again = flight.run('a', a.run);
    a.finish('a again');
    expect(await again).toBe('a again');
  });

  test('gives a failure to all who share it, and does not keep it', async () => {
    const flight = createSingleFlight<string>();
    const work = createWork();
    const results = [flight.run('a', work.run), flight.run('a', work.run)];
    work.fail(new Error('broken'));
    expect((await Promise.allSettled(results)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = flight.run('a', work.run);
    work.finish('done');
    expect(await again).toBe('done');
  });

  test('lets one leave by its signal while the others stay', async () => {
    const flight = createSingleFlight<string>();
    const work = createWork();
    const controller = new AbortController();
    const leaver = flight.run('a', work.run, { signal: controller.signal });
    const stayer = flight.run('a', work.run);
    controller.abort(new Error('enough'));
    await expect(leaver).rejects.toThrow('enough');
    expect(work.started[0]?.aborted).toBe(false);
    work.finish('done');
    expect(await stayer).toBe('done');
  });

  test('cancels the work when the last has left, with the reason of the last', async () => {
    const flight = createSingleFlight<string>();
    const work = createWork();
    const [first, second] = [new AbortController(), new AbortController()];
    const results = [
      flight.run('a', work.run, { signal: first.signal }),
      flight.run('a', work.run, { signal: second.signal }),
    ];
    first.abort(new Error('first'));
    second.abort(new Error('second'));
    await Promise.allSettled(results);
    expect(work.started[0]?.reason).toMatchObject({ message: 'second' });
    work.fail(new Error('nobody hears this')); // an unhandled rejection would fail the run
    await new Promise((resolve) => setImmediate(resolve));
    expect(flight.size).toBe(0);
  });

  test('starts anew for who comes while cancelled work is still ending', async () => {
    const flight = createSingleFlight<string>();
    const [dying, fresh] = [createWork(), createWork()];
    const controller = new AbortController();
    const gone = flight.run('a', dying.run, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    const next = flight.run('a', fresh.run);
    dying.fail(new Error('cancelled at last'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(flight.size).toBe(1);
    fresh.finish('done');
    expect(await next).toBe('done');
  });

  test('leaves the signal of finished work alone: what it returned may still listen to it', async () => {
    const flight = createSingleFlight<string>();
    const work = createWork();
    const result = flight.run('a', work.run);
    work.finish('an open stream');
    await result;
    expect(work.started[0]?.aborted).toBe(false);
  });

  test('does nothing for who has aborted already', async () => {
    const flight = createSingleFlight<string>();
    const work = createWork();
    await expect(flight.run('a', work.run, { signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow('late');
    expect(work.started.length).toBe(0);
  });

  test('turns work that throws at once into a rejection and stays usable', async () => {
    const flight = createSingleFlight<string>();
    const thrower = (): Promise<string> => {
      throw new TypeError('mistake');
    };
    await expect(flight.run('a', thrower)).rejects.toThrow('mistake');
    expect(flight.size).toBe(0);
  });
});
