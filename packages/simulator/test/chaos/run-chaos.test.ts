import { systemClock } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { runChaos } from '../../src/chaos/run-chaos.ts';
import type { ChaosOutcome, ChaosRunners } from '../../src/chaos/run-chaos.ts';
import { inThreadRunners } from '../../src/chaos/run-seed.ts';
import { workerRunners } from '../../src/chaos/worker-runners.ts';
import { simulate } from '../../src/world/simulate.ts';

const signal = new AbortController().signal;
const good = (seed: number): ChaosOutcome => ({
  seed,
  unshelves: 1,
  expectedToFinish: 1,
  finished: 1,
  events: 1,
  broken: [],
});

function moduleOf(code: string): URL {
  const head = "import { parentPort } from 'node:worker_threads';";
  return new URL(`data:text/javascript,${encodeURIComponent(`${head}parentPort.on('message', (seed) => {${code}});`)}`);
}

describe('a chaos run', () => {
  test('runs each seed once, on as many runners as it is told, and closes them', async () => {
    const seen: number[] = [];
    let opened = 0;
    let closed = 0;
    const runners: ChaosRunners = () => {
      opened += 1;
      return {
        run: async (seed) => (seen.push(seed), good(seed)),
        close: async () => void (closed += 1),
      };
    };
    const summary = await runChaos(runners, { fromSeed: 5, runs: 10, maxFailures: 1, workers: 3, signal });
    expect(seen.toSorted((a, b) => a - b)).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect({ opened, closed, runs: summary.runs, failures: summary.failures }).toEqual({
      opened: 3,
      closed: 3,
      runs: 10,
      failures: [],
    });
  });

  test('ends the others and closes all runners when one is lost or it is stopped', async () => {
    let closed = 0;
    const stop = new AbortController();
    const runners: ChaosRunners = () => ({
      run: (seed, stopped) =>
        new Promise((_, reject) => {
          stopped.addEventListener('abort', () => reject(stopped.reason), { once: true });
          if (seed === 2) reject(new Error('lost'));
        }),
      close: async () => void (closed += 1),
    });
    await expect(runChaos(runners, { fromSeed: 1, runs: 9, maxFailures: 1, workers: 3, signal })).rejects.toThrow(
      'lost',
    );
    const stopped = runChaos(runners, { fromSeed: 10, runs: 9, maxFailures: 1, workers: 2, signal: stop.signal });
    stop.abort(new Error('enough'));
    expect(await stopped).toMatchObject({ runs: 0, failures: [] });
    expect(closed).toBe(5);
  });

  test('has the same outcomes in threads as in one', async () => {
    const options = { fromSeed: 1, runs: 4, maxFailures: 99, signal };
    const threads = await runChaos(workerRunners({ clock: systemClock }), { ...options, workers: 2 });
    const one = await runChaos(inThreadRunners(simulate), { ...options, workers: 1 });
    expect(threads).toEqual(one);
  });

  test('takes a thread whose virtual time stands still for a finding, and goes on with another', async () => {
    const outcome = `({ seed, unshelves: 1, expectedToFinish: 1, finished: 1, events: 1, broken: [] })`;
    const module = moduleOf(`while (seed === 1); parentPort.postMessage(${outcome});`);
    const runner = workerRunners({ clock: systemClock }, { runDeadlineMs: 1500, module })();
    expect(await runner.run(1, signal)).toMatchObject({ seed: 1, crash: expect.stringContaining('1.5 s') });
    expect(await runner.run(2, signal)).toEqual(good(2));
    await runner.close();
  });

  test('says which seed a thread was lost with', async () => {
    const runner = workerRunners(
      { clock: systemClock },
      { runDeadlineMs: 60_000, module: moduleOf('process.exit(7)') },
    )();
    await expect(runner.run(31, signal)).rejects.toMatchObject({
      code: 'SIMULATOR_WORKER_LOST',
      details: { seed: 31 },
    });
    await runner.close();
  });
});
