import type { ContestantRecord, StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { drawDotRows } from '../drawing/dot-rows.ts';
import { markup } from '../drawing/markup.ts';
import { lineStyles } from '../drawing/palette.ts';
import { figure, median } from '../figures.ts';
import { ranOnes } from '../standing.ts';

const MEDIAN_SAMPLE = { sample: markup`<path class="median" d="M14 -2V14"/>`, text: 'median' };

/** CPU time that each host's processes took. */
export function cpuChart(record: StormRecord): Chart {
  return {
    name: 'cpu-per-host',
    title: 'Processor time per host',
    caption: 'Processor time of all processes of a contestant on each host during the storm. Each dot is a host.',
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
export function memoryChart(record: StormRecord): Chart {
  return {
    name: 'memory-per-host',
    title: 'Memory per host',
    caption:
      'For each host a dot: the memory of its processes, shared pages counted by parts (PSS); and a ring below: the largest process at its peak (RSS).',
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
    if (style === undefined || contestant.hosts.length === 0) return [];
    return [{ style, name: contestant.name, ...rowOf(contestant) }];
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
