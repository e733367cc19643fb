import type { Bound } from '@quarry/scenario';
import type { SimulationReport } from '../report.ts';
import type { SimulatedUnshelve, SimulationResult } from '../simulation.ts';

/** The fields that are promised, in the order in which they are printed; more may follow them. */
export const promisedFields: readonly (keyof SimulationReport)[] = [
  'scenario',
  'seed',
  'nodes',
  'finished',
  'expectedToFinish',
  'makespanSeconds',
  'boundSeconds',
  'ratio',
  'p50Seconds',
  'p99Seconds',
  'originBytes',
  'uniqueBytes',
  'originAmplification',
  'duplicateBytes',
  'crossZoneBytes',
  'badChunksAccepted',
  'invariantsBroken',
  'realSeconds',
];

/** What only the process knows that ran it. */
export interface RunFigures {
  readonly realSeconds: number;
  readonly peakRssMiB: number;
}

/** A finished run and what it is compared with. */
export interface FinishedRun {
  readonly result: SimulationResult;
  readonly bound: Bound;
  readonly figures: RunFigures;
}

/** The object that `--json` prints. Numbers without end are null there, as JSON has it. */
export function jsonReport({ result, bound, figures }: FinishedRun): Record<string, unknown> {
  const report: SimulationReport = { ...result.report, realSeconds: figures.realSeconds };
  return {
    ...Object.fromEntries(promisedFields.map((field) => [field, report[field]])),
    unshelves: result.unshelves.length,
    slowestToMedian: slowestToMedian(result),
    neededBytes: bound.neededBytes,
    boundParts: bound.parts,
    ownRatioP50: ownRatios(result, bound).p50,
    ownRatioMax: ownRatios(result, bound).max,
    ownByLink: ownByLink(result, bound),
    regives: result.regives,
    events: result.events,
    peakRssMiB: figures.peakRssMiB,
    notes: result.notes,
    broken: result.broken,
    failed: failedUnshelves(result),
  };
}

/** How long the unshelves took that finished, in ascending order. */
function durations(result: SimulationResult): number[] {
  return result.unshelves
    .flatMap(({ atMs, endedMs, why, isHonest }) =>
      endedMs === undefined || why !== undefined || !isHonest ? [] : [endedMs - atMs],
    )
    .toSorted((a, b) => a - b);
}

/** The slowest unshelve ÷ the median one; 1 where none took any time. */
export function slowestToMedian(result: SimulationResult): number {
  const sorted = durations(result);
  const median = quantile(sorted, 0.5);
  return median > 0 ? (sorted.at(-1) ?? 0) / median : 1;
}

/** Duration ÷ what an unshelve would take at least if it were alone with its links. Without those that need nothing. */
export function ownRatios(
  result: SimulationResult,
  bound: Bound,
  counts: (unshelve: SimulatedUnshelve) => boolean = () => true,
): { readonly p50: number; readonly max: number } {
  const ratios = result.unshelves
    .flatMap((unshelve, index) => {
      const { atMs, endedMs, why, isHonest } = unshelve;
      const ownMs = bound.ownMs[index] ?? 0;
      const isFinished = endedMs !== undefined && why === undefined && isHonest && counts(unshelve);
      return isFinished && ownMs > 0 && ownMs < Infinity ? [(endedMs - atMs) / ownMs] : [];
    })
    .toSorted((a, b) => a - b);
  return { p50: quantile(ratios, 0.5), max: ratios.at(-1) ?? 0 };
}

/** The same for hosts with equal links, where they are not all equal; the fastest first. */
export function ownByLink(result: SimulationResult, bound: Bound): readonly LinkRatios[] {
  const links = new Set(result.unshelves.map((unshelve) => unshelve.linkBytesPerSecond));
  if (links.size < 2) return [];
  return [...links]
    .toSorted((a, b) => b - a)
    .map((linkBytesPerSecond) => ({
      linkBytesPerSecond,
      ...ownRatios(result, bound, (unshelve) => unshelve.linkBytesPerSecond === linkBytesPerSecond),
    }));
}

export interface LinkRatios {
  readonly linkBytesPerSecond: number;
  readonly p50: number;
  readonly max: number;
}

/** Unshelves that did not finish, with the reason: the first of many. */
export function failedUnshelves(result: SimulationResult): SimulationResult['unshelves'] {
  return result.unshelves.filter(({ endedMs, why }) => endedMs === undefined || why !== undefined).slice(0, 20);
}

/** The smallest value that so great a part of all does not exceed. */
function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}
