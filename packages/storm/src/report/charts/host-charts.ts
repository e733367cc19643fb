import type { ContestantRecord, StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { drawDotRows } from '../drawing/dot-rows.ts';
import { markup } from '../drawing/markup.ts';
import { lineStyles } from '../drawing/palette.ts';
import { figure, median } from '../figures.ts';
import { ranOnes } from '../standing.ts';

const MEDIAN_SAMPLE = { sample: markup`<path class="median" d="M14 -2V14"/>`, text: 'median' };

/** Charts of what hosts spent; who has no processes that stay on hosts has no row, and where nobody has there is no chart. */
export function hostCharts(record: StormRecord): readonly Chart[] {
  const hosts = ranOnes(record).flatMap((contestant) => contestant.hosts);
  return [
    ...(hosts.some(({ cpuSeconds }) => cpuSeconds > 0) ? [cpuChart(record)] : []),
    ...(hosts.some(({ pssMiB, peakRssMiB }) => pssMiB > 0 || peakRssMiB > 0) ? [memoryChart(record)] : []),
  ];
}

/** CPU time that each host's processes took. */
function cpuChart(record: StormRecord): Chart {
  return {
    name: 'cpu-per-host',
    title: 'Processor time per host',
    caption:
      'Processor time of all processes of a contestant on each host during the storm. Each dot is a host; who has no processes that stay there is missing.',
    draw: (widthPx) =>
      drawDotRows(
        {
          xLabel: 'Processor time of a host (s)',
          rows: rowsOf(record, ({ hosts }) => {
            const seconds = hosts.map(({ cpuSeconds }) => cpuSeconds);
            return { dots: seconds, text: `median ${figure(median(seconds))} s, ${most(hosts, seconds, 's')}` };
          }),
          legend: [{ sample: dotSample('dot fill'), text: 'a host' }, MEDIAN_SAMPLE],
        },
        widthPx,
      ),
  };
}

/** Memory of each host's processes: shared pages by parts, and the largest process. */
function memoryChart(record: StormRecord): Chart {
  return {
    name: 'memory-per-host',
    title: 'Memory per host',
    caption:
      'For each host a dot: the memory of its processes, shared pages counted by parts (PSS); and a ring below: the largest process at its peak (RSS). Who has no processes that stay there is missing.',
    draw: (widthPx) =>
      drawDotRows(
        {
          xLabel: 'Memory of a host (MiB)',
          rows: rowsOf(record, ({ hosts }) => {
            const pss = hosts.map(({ pssMiB }) => pssMiB);
            const rss = hosts.map(({ peakRssMiB }) => peakRssMiB);
            return {
              dots: pss,
              rings: rss,
              text: `PSS median ${figure(median(pss))} MiB, ${most(hosts, pss, 'MiB')}; RSS at most ${figure(Math.max(...rss))} MiB`,
            };
          }),
          legend: [
            { sample: dotSample('dot fill'), text: 'a host’s PSS' },
            { sample: dotSample('ring'), text: 'a host’s largest process, peak RSS' },
            { ...MEDIAN_SAMPLE, text: 'median PSS' },
          ],
        },
        widthPx,
      ),
  };
}

interface HostRow {
  readonly dots: readonly number[];
  readonly rings?: readonly number[];
  readonly text: string;
}

function rowsOf(record: StormRecord, rowOf: (contestant: ContestantRecord) => HostRow) {
  const styles = lineStyles(record.contestants);
  return ranOnes(record).flatMap((contestant) => {
    const style = styles.get(contestant.name);
    const row = rowOf(contestant);
    const isSeen = [...row.dots, ...(row.rings ?? [])].some((value) => value > 0);
    return style === undefined || !isSeen ? [] : [{ style, name: contestant.name, ...row }];
  });
}

function most(hosts: ContestantRecord['hosts'], values: readonly number[], unit: string): string {
  const largest = Math.max(...values);
  const host = hosts[values.indexOf(largest)];
  return `most ${figure(largest)} ${unit}${host === undefined ? '' : ` (${host.name})`}`;
}

function dotSample(className: string) {
  return markup`<circle class="${className} s0" r="3.5" cx="14" cy="6"/>`;
}
