import type { Clock, Random } from '@quarry/runtime';
import { createSoakPlan } from './soak-plan.ts';
import type { SoakPlanOptions, SoakStep } from './soak-plan.ts';
import type { SoakFailure, SoakReport } from './soak-report.ts';

/** Does what a plan says. */
export interface SoakHands {
  /** @returns bytes compared, and how many of them were wrong. Rejects where it failed. */
  perform(step: SoakStep, options: { readonly signal: AbortSignal }): Promise<{ compared: number; wrong: number }>;
}

export type PlayedSoak = Pick<SoakReport, 'done' | 'kills' | 'comparedBytes' | 'wrongBytes' | 'failures' | 'seconds'>;

export interface PlaySoakOptions extends SoakPlanOptions {
  readonly durationMs: number;
  /** Steps under way at once. */
  readonly concurrent: number;
  readonly signal: AbortSignal;
  readonly onStep?: (played: PlayedSoak) => void;
}

/** What fails may fail at once: it is not tried a thousand times a second. */
const AFTER_FAILURE_MS = 1000;

/** Has steps performed until the time is over, and lets those that are under way end. */
export async function playSoak(
  deps: { readonly clock: Clock; readonly random: Random; readonly hands: SoakHands },
  options: PlaySoakOptions,
): Promise<PlayedSoak> {
  const { clock, hands } = deps;
  const { signal, durationMs } = options;
  const plan = createSoakPlan(deps.random, options);
  const startMs = clock.now();
  const done: Record<SoakStep['kind'], number> = { boot: 0, shelve: 0, unshelve: 0, delete: 0, restart: 0 };
  const failures: SoakFailure[] = [];
  const sums = { kills: 0, comparedBytes: 0, wrongBytes: 0 };
  const played = (): PlayedSoak => ({ done, failures, seconds: (clock.now() - startMs) / 1000, ...sums });
  const underWay = new Set<Promise<void>>();

  const perform = async (step: SoakStep): Promise<void> => {
    let isDone = false;
    try {
      const { compared, wrong } = await hands.perform(step, { signal });
      isDone = wrong === 0;
      done[step.kind] += 1;
      sums.comparedBytes += compared;
      sums.wrongBytes += wrong;
      if (step.kind === 'restart' && !step.isClean) sums.kills += 1;
    } catch (error) {
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      failures.push({ step, atSeconds: (clock.now() - startMs) / 1000, message });
      await clock.sleep(AFTER_FAILURE_MS, { signal }).catch(() => {}); // the end is looked at below
    } finally {
      plan.end(step, isDone);
    }
    options.onStep?.(played());
  };
  while (clock.now() - startMs < durationMs && !signal.aborted) {
    const step = underWay.size < options.concurrent ? plan.begin() : undefined;
    if (step) {
      const work: Promise<void> = perform(step).finally(() => underWay.delete(work));
      underWay.add(work);
    } else if (underWay.size > 0) await Promise.race(underWay);
    else throw new TypeError('nothing is under way, and nothing can begin'); // a plan cannot come to this
  }
  await Promise.all(underWay);
  signal.throwIfAborted();
  return played();
}
