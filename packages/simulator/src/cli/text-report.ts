import { formatBytes, formatRate } from '@quarry/runtime';
import { bindingPart } from '@quarry/scenario';
import { ownByLink, ownRatios, slowestToMedian } from './json-report.ts';
import type { FinishedRun } from './json-report.ts';

/** The lines for people. */
export function textReport(run: FinishedRun): string {
  const { result, bound, figures } = run;
  const { report } = result;
  const own = ownRatios(result, bound);
  const again = Object.entries(result.regives).map(([reason, chunks]) => `${reason} ${chunks}`);
  const rows: readonly (readonly [string, string])[] = [
    ['scenario', `${report.scenario}, seed ${report.seed}`],
    ['nodes', String(report.nodes)],
    ['finished', `${report.finished} of ${result.unshelves.length} unshelves, ${report.expectedToFinish} expected`],
    [
      'makespan',
      `${seconds(report.makespanSeconds)} / bound ${seconds(report.boundSeconds)} = ${fixed(report.ratio)} (bound by ${bindingPart(bound)})`,
    ],
    ['p50, p99', `${seconds(report.p50Seconds)}, ${seconds(report.p99Seconds)}`],
    ['slowest / median', fixed(slowestToMedian(result))],
    ['each / its own', `median ${fixed(own.p50)}, worst ${fixed(own.max)}`],
    ...ownByLink(result, bound).map(
      (link) =>
        [`at ${formatRate(link.linkBytesPerSecond)}`, `median ${fixed(link.p50)}, worst ${fixed(link.max)}`] as const,
    ),
    [
      'origin',
      `${formatBytes(report.originBytes)} for ${formatBytes(report.uniqueBytes)}: × ${report.originAmplification.toFixed(4)}`,
    ],
    ['again', again.length === 0 ? 'no chunk left the origin twice' : `${again.join(', ')} chunks`],
    ['duplicates', formatBytes(report.duplicateBytes)],
    ['cross-zone', formatBytes(report.crossZoneBytes)],
    ['counted', notesText(result.notes)],
    ['bad chunks', `${report.badChunksAccepted} accepted`],
    ['invariants', report.invariantsBroken === 0 ? 'all hold' : `${report.invariantsBroken} broken`],
    ['real time', `${figures.realSeconds.toFixed(1)} s, ${result.events} events, ${figures.peakRssMiB} MiB`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}${value}`),
    ...result.broken.map(({ atMs, name, message }) => `BROKEN at ${seconds(atMs / 1000)}: ${name}: ${message}`),
  ].join('\n');
}

function notesText(notes: Readonly<Record<string, number | string>>): string {
  const shown = Object.entries(notes).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? Math.round(value * 1000) / 1000 : value}`,
  );
  return shown.length === 0 ? 'nothing else' : shown.join(', ');
}

function seconds(value: number): string {
  return `${value.toFixed(value < 10 ? 3 : 2)} s`;
}

function fixed(value: number): string {
  return value.toFixed(3);
}
