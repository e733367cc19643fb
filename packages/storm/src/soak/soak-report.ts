import { formatBytes, formatDuration } from '@quarry/runtime';
import type { SoakStep } from './soak-plan.ts';
import { soakQuantities } from './soak-verdict.ts';
import type { SoakVerdict } from './soak-verdict.ts';

export interface SoakReport {
  readonly hosts: number;
  readonly seed: number;
  readonly seconds: number;
  /** What was done to its end, by kind. */
  readonly done: Readonly<Record<SoakStep['kind'], number>>;
  readonly kills: number;
  /** Boots and unshelves, each compared with what it had to be. */
  readonly comparedBytes: number;
  readonly wrongBytes: number;
  readonly failures: readonly SoakFailure[];
  readonly verdicts: readonly SoakVerdict[];
  /** Daemons that ended without being told to. */
  readonly deaths: readonly string[];
  /** Nothing failed, no byte was wrong, nobody died, and nothing certainly grows. */
  readonly isGood: boolean;
}

export interface SoakFailure {
  readonly step: SoakStep;
  readonly atSeconds: number;
  readonly message: string;
}

const MAX_FAILURES = 10;

export function soakText(report: SoakReport): string {
  const { hosts, seed, seconds, done, kills, failures, deaths } = report;
  const lines = [
    `${hosts} hosts for ${formatDuration(seconds * 1000)}, seed ${seed}: ${done.boot} boots, ${done.shelve} shelves, ${done.unshelve} unshelves, ${done.delete} deletions, ${done.restart} restarts of daemons (${kills} by SIGKILL)`,
    `${formatBytes(report.comparedBytes)} compared with their source, ${report.wrongBytes} bytes wrong`,
    ...report.verdicts.map(verdictText),
    ...deaths.map((death) => `DIED: ${death}`),
    ...failures
      .slice(0, MAX_FAILURES)
      .map(({ step, atSeconds, message }) => `FAILED after ${atSeconds.toFixed(0)} s: ${stepText(step)}: ${message}`),
    ...(failures.length > MAX_FAILURES ? [`and ${failures.length - MAX_FAILURES} more failures`] : []),
    report.isGood ? 'good' : 'NOT GOOD',
  ];
  return lines.join('\n');
}

function verdictText({ quantity, verdict, worst, peak, median }: SoakVerdict): string {
  const { says, unit, maxPerHour } = soakQuantities[quantity];
  const amount = (value: number): string => `${value.toFixed(unit === '' ? 0 : 1)}${unit === '' ? '' : ` ${unit}`}`;
  const trend = worst
    ? `${worst.daemon} by ${worst.perHour.toFixed(1)} ± ${worst.uncertainty.toFixed(1)} an hour (95 %), ${maxPerHour} allowed`
    : 'too short to tell';
  const word = { flat: 'flat', grows: 'GROWS', untold: 'not proven either way' }[verdict];
  return `${says}: ${word}; median ${amount(median)}, peak ${amount(peak)}; ${trend}`;
}

function stepText(step: SoakStep): string {
  return step.kind === 'restart'
    ? `restart of host ${step.host} by ${step.isClean ? 'SIGTERM' : 'SIGKILL'}`
    : `${step.kind} of instance ${step.instance} on host ${step.host}`;
}
