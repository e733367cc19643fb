import { formatBytes } from '@quarry/runtime';
import type { ContestantRecord, StormRecord } from '../storm-record.ts';

const IDLE_LIMIT_PERCENT = 15;

/** The result for people: what was played, the table, what a reader should know. */
export function textReport(record: StormRecord): string {
  const ran = record.contestants.filter((contestant) => contestant.ran);
  const missing = record.contestants.filter((contestant) => !contestant.ran);
  const lines = [
    `${record.scenario}, seed ${record.seed}: ${record.about}`,
    `${record.hosts} hosts at ${linkText(record.linkBytesPerSecond)}, the origin at ${linkText(record.originBytesPerSecond)}; ` +
      `${record.imageBytes.count} images of ${sizes(record.imageBytes)}; Glance is ${record.glance}`,
    `bound T* = ${seconds(record.boundSeconds)}, by ${record.boundBy}`,
    '',
    table([headings, ...simulatedRow(record), ...ran.map((contestant) => row(contestant))]),
    '',
    ...ran
      .filter(({ cpuIdlePercent }) => cpuIdlePercent < IDLE_LIMIT_PERCENT)
      .map(
        ({ name, cpuIdlePercent }) =>
          `${name}: the machine was the limit (${cpuIdlePercent.toFixed(0)} % of its CPU idle): on more cores it may be faster.`,
      ),
    ...ran.flatMap(({ name, criticalPath }) => criticalPath.map((line) => `${name}: ${line}`)),
    ...ran.flatMap(({ name, notes }) => notes.map((note) => `${name}: ${note}`)),
    ...ran.flatMap((contestant) => failures(contestant)),
    ...missing.map(({ name, whyNot }) => `${name} did not run: ${whyNot ?? 'unknown'}`),
  ];
  return lines.join('\n').trimEnd();
}

const headings = [
  '',
  'finished',
  'makespan',
  '/ T*',
  'p50',
  'p95',
  'p99',
  'origin',
  '× unique',
  'wrong',
  'CPU s/GB',
  'RSS',
  'PSS',
  'idle',
];

function row(contestant: ContestantRecord): string[] {
  const { finished, expectedToFinish } = contestant;
  return [
    contestant.name,
    finished === expectedToFinish ? String(finished) : `${finished} of ${expectedToFinish}`,
    seconds(contestant.makespanSeconds),
    contestant.ratio.toFixed(2),
    seconds(contestant.p50Seconds),
    seconds(contestant.p95Seconds),
    seconds(contestant.p99Seconds),
    formatBytes(contestant.originBytes),
    contestant.uniqueBytes > 0 ? contestant.originAmplification.toFixed(2) : '–',
    String(contestant.wrongBytes),
    contestant.cpuSecondsPerGb.toFixed(1),
    `${contestant.peakRssMiB.toFixed(0)} MiB`,
    `${contestant.meanPssMiB.toFixed(0)} MiB`,
    `${contestant.cpuIdlePercent.toFixed(0)} %`,
  ];
}

function simulatedRow({ simulated, boundSeconds }: StormRecord): string[][] {
  if (!simulated) return [];
  const { makespanSeconds, p50Seconds, p99Seconds, originBytes } = simulated;
  const figures = [seconds(makespanSeconds), (makespanSeconds / boundSeconds).toFixed(2), seconds(p50Seconds), ''];
  return [
    [
      '(simulated)',
      '',
      ...figures,
      seconds(p99Seconds),
      formatBytes(originBytes),
      ...Array.from({ length: 6 }, () => ''),
    ],
  ];
}

function failures({ name, unshelves }: ContestantRecord): string[] {
  const failed = unshelves.filter(({ failure, isExpected }) => failure !== undefined && isExpected);
  const first = failed[0];
  return first
    ? [
        `${name}: ${failed.length} unshelves failed that had to finish; the first, on host ${first.host}: ${first.failure}`,
      ]
    : [];
}

function sizes({ smallest, largest }: StormRecord['imageBytes']): string {
  return smallest === largest ? formatBytes(smallest) : `${formatBytes(smallest)} to ${formatBytes(largest)}`;
}

/** The first column stands left, figures right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = headings.map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)));
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function seconds(value: number): string {
  return `${value.toFixed(value < 100 ? 2 : 0)} s`;
}

/** Links are sold by the bit. */
function linkText(bytesPerSecond: number): string {
  return bytesPerSecond < Infinity ? `${Number(((bytesPerSecond * 8) / 1e6).toPrecision(4))} Mbit/s` : 'no limit';
}
