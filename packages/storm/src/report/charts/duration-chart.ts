import type { StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { drawLineChart } from '../drawing/line-chart.ts';
import type { Point } from '../drawing/marks.ts';
import { lineStyles } from '../drawing/palette.ts';
import { timeAxis } from '../drawing/time-axis.ts';
import { figure } from '../figures.ts';
import { ranOnes } from '../standing.ts';

/** How long unshelves took, each from its own start: for storms whose unshelves do not start together. */
export function durationChart(record: StormRecord): Chart {
  const styles = lineStyles(record.contestants);
  const all = ranOnes(record).map((contestant) => ({ contestant, durations: durationsOf(contestant.unshelves) }));
  const time = timeAxis(
    all.map(({ durations }) => durations.at(-1) ?? 0),
    0,
  );
  return {
    name: 'durations',
    title: 'How long unshelves took',
    caption:
      'Part of each contestant’s unshelves that took at most so long, each from its own start. Those that failed or never ended are missing at the top.',
    draw: (widthPx) =>
      drawLineChart(
        {
          time,
          timeLabel: `Duration (${time.remark})`,
          yLabel: 'Unshelves that took at most so long (%)',
          yMax: 100,
          isCount: false,
          lines: all.flatMap(({ contestant, durations }) => {
            const style = styles.get(contestant.name);
            const whole = Math.max(1, contestant.expectedToFinish, durations.length);
            return style === undefined
              ? []
              : [
                  {
                    style,
                    text: `${contestant.name}: p50 ${figure(contestant.p50Seconds)}, p95 ${figure(contestant.p95Seconds)}, p99 ${figure(contestant.p99Seconds)} s`,
                    steps: [
                      [0, 0] as const,
                      ...durations.map((seconds, index): Point => [seconds, ((index + 1) / whole) * 100]),
                    ],
                    isComplete: durations.length >= whole,
                  },
                ];
          }),
        },
        widthPx,
      ),
  };
}

function durationsOf(unshelves: StormRecord['contestants'][number]['unshelves']): readonly number[] {
  return unshelves
    .flatMap(({ atSeconds, endedSeconds, failure }) =>
      endedSeconds === undefined || failure !== undefined ? [] : [Math.max(0, endedSeconds - atSeconds)],
    )
    .toSorted((a, b) => a - b);
}
