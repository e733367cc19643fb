import { hasFailed, runChaos } from '../chaos/run-chaos.ts';
import type { ChaosOutcome, ChaosSummary } from '../chaos/run-chaos.ts';
import type { CliContext } from './cli-context.ts';
import { exitCodes } from './exit-codes.ts';
import { createProgressLine } from './progress-line.ts';
import { writeReport } from './run-one.ts';

export interface ChaosRequest {
  readonly fromSeed: number;
  readonly runs: number;
  readonly maxFailures: number;
  readonly workers: number;
  readonly json: boolean | string;
}

/** Of one seed's broken invariants this many are printed: the replay shows the rest. */
const SHOWN_PER_SEED = 5;

/** Explores seeds; says at once which one failed and how to see it again. Returns the exit code. */
export async function chaosCommand(request: ChaosRequest, context: CliContext): Promise<number> {
  const { clock, streams, signal } = context;
  const line = createProgressLine(streams.err, clock);
  const startedAtMs = clock.now();
  const isText = request.json !== true;
  let summary: ChaosSummary;
  try {
    summary = await runChaos(context.chaosRunners, {
      ...request,
      signal,
      onOutcome: (outcome, soFar) => {
        if (hasFailed(outcome) && isText) {
          line.end();
          streams.out.write(`${failureText(outcome)}\n`);
        }
        line.draw(() => `chaos: ${soFar.runs} of ${request.runs} seeds, ${soFar.failures.length} failed`);
      },
    });
  } finally {
    line.end();
  }
  const realSeconds = Math.round(clock.now() - startedAtMs) / 1000;
  const { failures, ...rest } = summary;
  const report = { ...rest, failed: failures.length, realSeconds, failures: failures.map(withReplay) };
  const json = `${JSON.stringify(report, undefined, typeof request.json === 'string' ? 2 : undefined)}\n`;
  if (typeof request.json === 'string') writeReport(request.json, json);
  streams.out.write(isText ? `${summaryText(summary, request, realSeconds)}\n` : json);
  if (signal.aborted) return exitCodes.interrupted.code;
  return failures.length === 0 ? exitCodes.ok.code : exitCodes.broken.code;
}

function replayOf(seed: number): string {
  return `npm run simulate -- --chaos --seed ${seed}`;
}

function withReplay(outcome: ChaosOutcome): ChaosOutcome & { readonly replay: string } {
  return { ...outcome, replay: replayOf(outcome.seed) };
}

function failureText({ seed, broken, crash }: ChaosOutcome): string {
  const lines = broken
    .slice(0, SHOWN_PER_SEED)
    .map(({ atMs, name, message }) => `  at ${(atMs / 1000).toFixed(3)} s: ${name}: ${message}`);
  if (broken.length > SHOWN_PER_SEED) lines.push(`  and ${broken.length - SHOWN_PER_SEED} more`);
  if (crash !== undefined) lines.push(...crash.split('\n').map((text) => `  ${text}`));
  return [`seed ${seed} FAILED`, ...lines, `  again: ${replayOf(seed)}`].join('\n');
}

function summaryText(summary: ChaosSummary, request: ChaosRequest, realSeconds: number): string {
  const { runs, fromSeed, failures, unshelves, expectedToFinish, finished, events } = summary;
  const rate = realSeconds > 0 ? `, ${(runs / realSeconds).toFixed(1)} seeds/s` : '';
  const outcome =
    failures.length === 0
      ? 'no invariant broken'
      : `${failures.length} FAILED: ${failures.map(({ seed }) => seed).join(' ')}`;
  const stopped = runs < request.runs ? ` (stopped before the other ${request.runs - runs})` : '';
  return [
    `${runs} seeds from ${fromSeed} on: ${outcome}${stopped}`,
    `${finished} of ${unshelves} unshelves finished, ${expectedToFinish} had to`,
    `${events} events in ${realSeconds.toFixed(1)} s${rate}`,
  ].join('\n');
}
