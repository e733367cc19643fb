import type { BrokenInvariant } from '../simulation.ts';

/** What came of one seed. */
export interface ChaosOutcome {
  readonly seed: number;
  readonly unshelves: number;
  readonly expectedToFinish: number;
  readonly finished: number;
  readonly events: number;
  readonly broken: readonly BrokenInvariant[];
  /** What was thrown instead of a result, with its stack; or that there was no result in time. */
  readonly crash?: string | undefined;
}

/** Runs one seed after the other. */
export interface ChaosRunner {
  run(seed: number, signal: AbortSignal): Promise<ChaosOutcome>;
  close(): Promise<void>;
}

/** Makes runners that work side by side, one for each call. */
export type ChaosRunners = () => ChaosRunner;

export interface ChaosOptions {
  readonly fromSeed: number;
  readonly runs: number;
  /** Begins nothing more after so many failing seeds. */
  readonly maxFailures: number;
  readonly workers: number;
  readonly signal: AbortSignal;
  /** After each run, in the order in which they end. */
  readonly onOutcome?: (outcome: ChaosOutcome, summary: ChaosSummary) => void;
}

export interface ChaosSummary {
  readonly fromSeed: number;
  runs: number;
  unshelves: number;
  expectedToFinish: number;
  finished: number;
  events: number;
  /** By seed. Where it was stopped early, higher seeds may have failed that another number of workers would not have come to. */
  readonly failures: ChaosOutcome[];
}

/** Whether a seed found something. */
export function hasFailed({ broken, crash }: ChaosOutcome): boolean {
  return broken.length > 0 || crash !== undefined;
}

/**
 * Runs seeds from `fromSeed` on, each on whichever runner is free. Stopped by its signal it returns what it has by then: a night's findings are not
 * thrown away. @throws what a runner throws that is no finding
 */
export async function runChaos(runners: ChaosRunners, options: ChaosOptions): Promise<ChaosSummary> {
  const { fromSeed, maxFailures, signal } = options;
  const summary: ChaosSummary = {
    fromSeed,
    runs: 0,
    unshelves: 0,
    expectedToFinish: 0,
    finished: 0,
    events: 0,
    failures: [],
  };
  const lastSeed = fromSeed + options.runs - 1;
  let nextSeed = fromSeed;
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);

  const work = async (): Promise<void> => {
    const runner = runners();
    try {
      while (nextSeed <= lastSeed && summary.failures.length < maxFailures) {
        stopped.throwIfAborted();
        const outcome = await runner.run(nextSeed++, stopped);
        summary.runs += 1;
        summary.unshelves += outcome.unshelves;
        summary.expectedToFinish += outcome.expectedToFinish;
        summary.finished += outcome.finished;
        summary.events += outcome.events;
        if (hasFailed(outcome)) summary.failures.push(outcome);
        options.onOutcome?.(outcome, summary);
      }
    } catch (error) {
      stop.abort(error);
      throw error;
    } finally {
      await runner.close();
    }
  };
  const workers = Math.max(1, Math.min(options.workers, options.runs));
  const ended = await Promise.allSettled(Array.from({ length: workers }, work));
  if (!signal.aborted) for (const one of ended) if (one.status === 'rejected') throw one.reason;
  summary.failures.sort((a, b) => a.seed - b.seed);
  return summary;
}
