import type { ContestantRecord, StormRecord } from '../../storm-record.ts';
import { markup } from '../drawing/markup.ts';
import type { Markup } from '../drawing/markup.ts';
import { count, deviation, figure, mebibytes, percentage } from '../figures.ts';
import { isWhole, ranked, ranOnes } from '../standing.ts';
import { scrollBox } from './scroll-box.ts';

interface Column {
  readonly title: string;
  readonly unit: string;
  readonly value: (contestant: ContestantRecord) => number;
  readonly text: (value: number) => string;
  /** Whether less is better; a column without it has no best. */
  readonly isLessBetter?: true;
  /** Says nothing where nothing was delivered. */
  readonly isOfDelivery?: true;
}

/** The fields of the JSON summary; what must be right stands before what should be small. Finished and expected share a column before these. */
const COLUMNS: readonly Column[] = [
  { title: 'Wrong', unit: 'bytes', value: (each) => each.wrongBytes, text: count },
  {
    title: 'Makespan',
    unit: 's',
    value: (each) => each.makespanSeconds,
    text: figure,
    isLessBetter: true,
    isOfDelivery: true,
  },
  { title: 'Ratio', unit: '× T*', value: (each) => each.ratio, text: figure, isLessBetter: true, isOfDelivery: true },
  { title: 'p50', unit: 's', value: (each) => each.p50Seconds, text: figure, isLessBetter: true, isOfDelivery: true },
  { title: 'p95', unit: 's', value: (each) => each.p95Seconds, text: figure, isLessBetter: true, isOfDelivery: true },
  { title: 'p99', unit: 's', value: (each) => each.p99Seconds, text: figure, isLessBetter: true, isOfDelivery: true },
  { title: 'From origin', unit: 'MiB', value: (each) => mebibytes(each.originBytes), text: figure, isLessBetter: true },
  { title: 'Unique', unit: 'MiB', value: (each) => mebibytes(each.uniqueBytes), text: figure },
  { title: 'Amplification', unit: '×', value: (each) => each.originAmplification, text: figure, isLessBetter: true },
  {
    title: 'CPU',
    unit: 's/GB',
    value: (each) => each.cpuSecondsPerGb,
    text: figure,
    isLessBetter: true,
    isOfDelivery: true,
  },
  { title: 'Peak RSS', unit: 'MiB', value: (each) => ofStaying(each.peakRssMiB), text: figure, isLessBetter: true },
  { title: 'Mean PSS', unit: 'MiB', value: (each) => ofStaying(each.meanPssMiB), text: figure, isLessBetter: true },
  { title: 'Idle', unit: '%', value: (each) => each.cpuIdlePercent, text: percentage },
];

/** Who has no process on a host that stays (a client for each unshelf comes and goes) has no memory to be measured: zero would be the best there is. */
function ofStaying(mebibytesOfProcesses: number): number {
  return mebibytesOfProcesses > 0 ? mebibytesOfProcesses : Number.NaN;
}

/** All contestants, those that were not run with the reason, and what the simulator had said. */
export function contestantTable(record: StormRecord): Markup {
  const rival = ranked(record);
  const head = COLUMNS.map(
    ({ title, unit }) => markup`<th scope="col">${title} <span class="unit">${unit}</span></th>`,
  );
  const rows = record.contestants.map((contestant) =>
    contestant.ran ? ranRow(contestant, rival) : notRunRow(contestant),
  );
  return scrollBox(
    'Contestants',
    markup`<table><caption>All contestants did the same work on the same network, one after the other. <span class="best">★ bold</span>: the best of those that finished everything with the right bytes.</caption>
<thead><tr><th scope="col">Contestant</th><th scope="col">Finished <span class="unit">of expected</span></th>${head}</tr></thead>
<tbody>${rows}${simulatorRow(record)}</tbody></table>`,
  );
}

function ranRow(contestant: ContestantRecord, rivals: readonly ContestantRecord[]): Markup {
  const finished = `${count(contestant.finished)} / ${count(contestant.expectedToFinish)}`;
  return markup`<tr><th scope="row">${contestant.name}</th><td${isWhole(contestant) ? undefined : markup` class="alarm"`}>${finished}${isWhole(contestant) ? undefined : ' !'}</td>${COLUMNS.map(
    (column) => cell(column, contestant, rivals),
  )}</tr>`;
}

function cell(column: Column, contestant: ContestantRecord, rivals: readonly ContestantRecord[]): Markup {
  const value = column.value(contestant);
  // Nothing delivered took no time, and cost nothing per GB: a zero would look like a record.
  const isVoid = contestant.finished === 0 && column.isOfDelivery === true;
  const text = isVoid ? '–' : column.text(value);
  if (column.title === 'Wrong' && value !== 0) return markup`<td class="alarm">${text} !</td>`;
  // Alone there is nobody to be better than; and equals share the star.
  const isBest =
    column.isLessBetter === true &&
    rivals.length > 1 &&
    rivals.includes(contestant) &&
    Number.isFinite(value) &&
    text === column.text(Math.min(...rivals.map(column.value).filter(Number.isFinite)));
  return isBest
    ? markup`<td class="best"><span aria-label="best" role="img">★</span> ${text}</td>`
    : markup`<td>${text}</td>`;
}

function notRunRow({ name, whyNot }: ContestantRecord): Markup {
  return markup`<tr class="not-run"><th scope="row">${name}</th><td class="words" colspan="${COLUMNS.length + 1}">not run: ${whyNot ?? 'no reason given'}</td></tr>`;
}

/** The same columns where the simulator has them, each with how far it is from what was measured. */
function simulatorRow(record: StormRecord): Markup | undefined {
  const { simulated, boundSeconds } = record;
  if (simulated === undefined) return undefined;
  const measured = ranOnes(record).find(({ name }) => name === 'quarry');
  const { makespanSeconds } = simulated;
  const values: Readonly<Record<string, number>> = {
    Makespan: makespanSeconds,
    Ratio: makespanSeconds / boundSeconds,
    p50: simulated.p50Seconds,
    p99: simulated.p99Seconds,
    'From origin': mebibytes(simulated.originBytes),
  };
  const cells = COLUMNS.map((column) => {
    const value = values[column.title];
    if (value === undefined) return markup`<td>–</td>`;
    const off =
      measured === undefined || measured.finished === 0 ? undefined : deviation(value, column.value(measured));
    return markup`<td>${column.text(value)}${off === undefined ? undefined : markup` <span class="off">${off}</span>`}</td>`;
  });
  return markup`<tr class="simulated"><th scope="row">simulator’s quarry</th><td>–</td>${cells}</tr>`;
}
