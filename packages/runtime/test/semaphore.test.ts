import { describe, expect, test } from 'vitest';
import { createSemaphore } from '../src/semaphore.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a semaphore', () => {
  test('lets so many work at once, and the others in order of arrival', async () => {
    const semaphore = createSemaphore(2);
    const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
    const started: number[] = [];
    const all = gates.map((gate, i) =>
      semaphore.run(async () => {
        started.push(i);
        await gate.promise;
        return i;
      }),
    );
    await turn();
    expect([started, semaphore.active, semaphore.waiting]).toEqual([[0, 1], 2, 3]);
    gates[1]?.resolve();
    await turn();
    expect([started, semaphore.active, semaphore.waiting]).toEqual([[0, 1, 2], 2, 2]);
    for (const gate of gates) gate.resolve();
    expect(await Promise.all(all)).toEqual([0, 1, 2, 3, 4]);
    expect(started).toEqual([0, 1, 2, 3, 4]);
    expect([semaphore.active, semaphore.waiting]).toEqual([0, 0]);
  });

  test('passes the place on when work fails', async () => {
    const semaphore = createSemaphore(1);
    const failing = semaphore.run(() => Promise.reject(new Error('broken')));
    const throwing = semaphore.run(() => {
      throw new Error('broken at once');
    });
    const last = semaphore.run(() => Promise.resolve('done'));
    await expect(failing).rejects.toThrow('broken');
    await expect(throwing).rejects.toThrow('broken at once');
    expect(await last).toBe('done');
    expect(semaphore.active).toBe(0);
  });

  test('lets who waits leave by its signal without losing a place', async () => {
    const semaphore = createSemaphore(1);
    const gate = Promise.withResolvers<void>();
    const first = semaphore.run(() => gate.promise);
    const controller = new AbortController();
    let hasRun = false;
    const leaver = semaphore.run(async () => void (hasRun = true), { signal: controller.signal });
    const stayer = semaphore.run(() => Promise.resolve('done'));
    controller.abort(new Error('enough'));
    await expect(leaver).rejects.toThrow('enough');
    expect(semaphore.waiting).toBe(1);
    gate.resolve();
    await first;
    expect(await stayer).toBe('done');
    expect([hasRun, semaphore.active, semaphore.waiting]).toEqual([false, 0, 0]);
  });

  test('does not let in who has aborted already, not even where there is room', async () => {
    const semaphore = createSemaphore(1);
    const late = semaphore.run(() => Promise.resolve(), { signal: AbortSignal.abort(new Error('late')) });
    await expect(late).rejects.toThrow('late');
    expect(semaphore.active).toBe(0);
  });

  test('an abort after admission leaves the place to its work', async () => {
    const semaphore = createSemaphore(1);
    const controller = new AbortController();
    const gate = Promise.withResolvers<string>();
    const work = semaphore.run(() => gate.promise, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await turn();
    expect(semaphore.active).toBe(1);
    gate.resolve('done');
    expect(await work).toBe('done');
    expect(semaphore.active).toBe(0);
  });

  test.for([0, -1, 1.5, Number.NaN, Infinity])('of %d places is a mistake of the caller', (limit) => {
    expect(() => createSemaphore(limit)).toThrow(TypeError);
  });
});
