import { Worker } from 'node:worker_threads';
import type { Clock } from '@quarry/runtime';
import { SimulatorError } from '../simulator-error.ts';
import type { ChaosOutcome, ChaosRunner, ChaosRunners } from './run-chaos.ts';

export interface WorkerOptions {
  /** A run that takes longer in real time counts as crashed, and its thread is ended: virtual time may stand still for ever. */
  readonly runDeadlineMs: number;
  /** The module that answers each seed with an outcome. */
  readonly module?: URL | undefined;
}

export const workerDefaults: WorkerOptions = Object.freeze({ runDeadlineMs: 120_000 });

/** Runners in threads of their own, begun with their first seed. */
export function workerRunners(deps: { readonly clock: Clock }, options: WorkerOptions = workerDefaults): ChaosRunners {
  const module = options.module ?? new URL('chaos-worker.ts', import.meta.url);
  return (): ChaosRunner => {
    let worker: Worker | undefined;
    const end = async (): Promise<void> => {
      const ended = worker;
      worker = undefined;
      await ended?.terminate();
    };
    return {
      async run(seed, signal) {
        worker ??= new Worker(module);
        const outcome = await answerOf(worker, seed, signal, deps.clock, options.runDeadlineMs);
        if (outcome !== 'late') return outcome;
        await end();
        const crash = `no result after ${options.runDeadlineMs / 1000} s: does virtual time stand still?`;
        return { seed, unshelves: 0, expectedToFinish: 0, finished: 0, events: 0, broken: [], crash };
      },
      close: end,
    };
  };
}

function answerOf(
  worker: Worker,
  seed: number,
  signal: AbortSignal,
  clock: Clock,
  deadlineMs: number,
): Promise<ChaosOutcome | 'late'> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      cancelDeadline();
      act();
    };
    const lost = (message: string, cause?: unknown): void =>
      done(() => reject(new SimulatorError('SIMULATOR_WORKER_LOST', message, { details: { seed }, cause })));
    const onMessage = (outcome: ChaosOutcome): void => done(() => resolve(outcome));
    const onError = (error: Error): void => lost(`the thread that ran seed ${seed} failed: ${error.message}`, error);
    const onExit = (code: number): void => lost(`the thread that ran seed ${seed} ended with code ${code}`);
    const onAbort = (): void => done(() => reject(signal.reason));
    const cancelDeadline = clock.after(deadlineMs, () => done(() => resolve('late')));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) return onAbort();
    worker.postMessage(seed);
  });
}
