import type { StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { lineStyles } from '../drawing/palette.ts';
import { drawPanels, thinned } from '../drawing/panels.ts';
import type { Point } from '../drawing/marks.ts';
import { boundLine, timeAxisOf } from './time-of-record.ts';
import { figure, megabits, rate, size } from '../figures.ts';
import { ranOnes } from '../standing.ts';

/** What left the origin's link over time, against the link and the operator's budget. */
export function egressChart(record: StormRecord): Chart {
  const styles = lineStyles(record.contestants);
  const time = timeAxisOf(record);
  const rules = [
    {
      value: megabits(record.originBytesPerSecond),
      className: 'limit',
      text: `origin’s link, ${rate(record.originBytesPerSecond)}`,
    },
    {
      value: megabits(record.budgetBytesPerSecond ?? Infinity),
      className: 'budget',
      text: `budget, ${rate(record.budgetBytesPerSecond)}`,
    },
  ] as const;
  const drawnRules = rules.filter(({ value }) => Number.isFinite(value));
  const contestants = ranOnes(record);
  const fastest = Math.max(
    0,
    ...contestants.flatMap(({ samples }) => samples.map((sample) => sample.originBytesPerSecond)),
  );
  return {
    name: 'origin-egress',
    title: 'What left the origin',
    caption:
      `Payload over the origin’s link, per contestant. ${Number.isFinite(record.originBytesPerSecond) ? `The link carries ${rate(record.originBytesPerSecond)}, headers included` : 'The link has no limit'}` +
      `${record.budgetBytesPerSecond === null ? '; there is no budget' : `; the operator’s budget is ${rate(record.budgetBytesPerSecond)}`}.`,
    draw: (widthPx) =>
      drawPanels(
        {
          time,
          timeLabel: `Time since the start (${time.remark})`,
          yLabel: 'Out of the origin (Mbit/s)',
          yMax: Math.max(megabits(fastest), ...drawnRules.map(({ value }) => value)),
          panels: contestants.flatMap((contestant) => {
            const style = styles.get(contestant.name);
            // A sample tells of the time since the one before: the first one, of the time since the start.
            const first = contestant.samples[0];
            const points = (first === undefined ? [] : [{ ...first, seconds: 0 }, ...contestant.samples]).map(
              ({ seconds, originBytesPerSecond }): Point => [seconds, megabits(originBytesPerSecond)],
            );
            return style === undefined
              ? []
              : [
                  {
                    style,
                    name: contestant.name,
                    text: `${size(contestant.originBytes)} in all, ${figure(contestant.originAmplification)} × what had to leave it`,
                    isAlarm: false,
                    points: thinned(points, widthPx),
                  },
                ];
          }),
          rules: drawnRules,
          ...boundLine(record),
        },
        widthPx,
      ),
  };
}
