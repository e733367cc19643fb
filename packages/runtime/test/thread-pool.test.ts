import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createThreadPool } from '../src/thread-pool.ts';
import type { ThreadPool, ThreadPoolOptions } from '../src/thread-pool.ts';
import { createVirtualClock } from '../src/virtual-clock.ts';

const script = new URL('./processes/any-thread.ts', import.meta.url);

function anyPool(
  maxThreads: number,
  started: Worker[] = [],
  thread: URL = script,
  idle?: ThreadPoolOptions['idle'],
): ThreadPool {
  const pool = createThreadPool({
    start: () => {
      const worker = new Worker(thread);
      started.push(worker);
      return worker;
    },
    maxThreads,
    diedError: (cause) => new Error('died', { cause }),
    idle,
  });
  onTestFinished(() => pool.close());
  return pool;
}

describe('a thread pool', () => {
  test('gives each task its own reply, on no more threads than it may have', async () => {
    const started: Worker[] = [];
    const pool = anyPool(2, started);
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    expect(await Promise.all(numbers.map((say) => pool.run({ say })))).toEqual(numbers);
    expect(started.length).toBe(2);
  });

  test('needs one thread for one task after another', async () => {
    const started: Worker[] = [];
    const pool = anyPool(4, started);
    for (let say = 0; say < 10; say += 1) expect(await pool.run({ say })).toBe(say);
    expect(started.length).toBe(1);
  });

  test('begins what goes first before all that waits, in order', async () => {
    const pool = anyPool(1);
    const done: unknown[] = [];
    const run = (say: string, goesFirst = false) => pool.run({ say }, { goesFirst }).then((reply) => done.push(reply));
    // two are with the thread already
    await Promise.all([run('a'), run('b'), run('c'), run('d'), run('e', true), run('f', true)]);
    expect(done).toEqual(['a', 'b', 'e', 'f', 'c', 'd']);
  });

  test('ends a thread that has had nothing to do for long, and begins another for the next task', async () => {
    const clock = createVirtualClock();
    const started: Worker[] = [];
    const pool = anyPool(1, started, script, { clock, timeoutMs: 100 });
    expect(await pool.run({ say: 1 })).toBe(1);
    await clock.advance(99);
    expect(await pool.run({ say: 2 })).toBe(2);
    await clock.advance(99);
    expect({ isReady: pool.isReady, pending: clock.pending }).toEqual({ isReady: true, pending: 1 });
    await clock.advance(1);
    expect({ isReady: pool.isReady, pending: clock.pending }).toEqual({ isReady: false, pending: 0 });
    expect(await pool.run({ say: 3 })).toBe(3);
    expect(started.length).toBe(2);
  });

  test('rejects what fails there, and goes on', async () => {
    const pool = anyPool(1);
    await expect(pool.run({ say: 'fail' })).rejects.toThrow('this task only');
    expect(await pool.run({ say: 1 })).toBe(1);
  });

  test.for(['exit', 'throw'])(
    'rejects the tasks of a thread that dies by %s, and has another for the next',
    async (how) => {
      const pool = anyPool(1);
      const tasks = [{ say: how }, { say: 1 }, { say: 2 }].map((task) => pool.run(task));
      for (const task of await Promise.allSettled(tasks)) {
        expect(task).toMatchObject({ status: 'rejected', reason: { message: 'died' } });
      }
      expect(await pool.run({ say: 3 })).toBe(3);
    },
  );

  test('rejects a task that cannot be sent, and no other', async () => {
    const pool = anyPool(1);
    const impossible = pool.run({ say: () => {} });
    const possible = pool.run({ say: 1 });
    await expect(impossible).rejects.toThrow();
    expect(await possible).toBe(1);
  });

  test('is ready when its first thread has started, and stays without one that cannot start', async () => {
    const pool = anyPool(1);
    expect(pool.isReady).toBe(false);
    await pool.warmUp();
    expect(pool.isReady).toBe(true);
    const started: Worker[] = [];
    const broken = anyPool(1, started, new URL('./no-such-thread.ts', import.meta.url));
    await broken.warmUp();
    await broken.warmUp();
    expect(broken.isReady).toBe(false);
    expect(started.length).toBe(1);
  });

  test('rejects what is under way when it is closed, and everything after', async () => {
    const pool = anyPool(1);
    const tasks = [1, 2, 3, 4].map((say) => pool.run({ say }));
    const settled = Promise.allSettled(tasks);
    await pool.close();
    expect((await settled).map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
    await expect(pool.run({ say: 1 })).rejects.toThrow('died');
    await pool.close();
  });

  test('keeps a process alive while it has something to do, and no longer', () => {
    const user = fileURLToPath(new URL('./processes/pool-user.ts', import.meta.url));
    const { stdout, status } = spawnSync(process.execPath, [user], { encoding: 'utf8' });
    expect({ stdout, status }).toEqual({ stdout: 'done\n', status: 0 });
  });

  test('is closed also while its thread starts', () => {
    const closer = fileURLToPath(new URL('./processes/pool-closer.ts', import.meta.url));
    const { stdout, status } = spawnSync(process.execPath, [closer], { encoding: 'utf8' });
    expect({ stdout, status }).toEqual({ stdout: 'closed\n', status: 0 });
  });
});
