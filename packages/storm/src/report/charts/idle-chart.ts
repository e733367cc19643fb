import type { ContestantRecord, StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { lineStyles } from '../drawing/palette.ts';
import { drawPanels, thinned } from '../drawing/panels.ts';
import type { Point } from '../drawing/marks.ts';
import { timeAxisOf } from './time-of-record.ts';
import { percentage, share } from '../figures.ts';
import { IDLE_LIMIT_PERCENT, ranOnes, wasMachineTheLimit } from '../standing.ts';

/** How much of the machine was left idle over time: below the limit it was the machine that set the pace. */
export function idleChart(record: StormRecord): Chart {
  const styles = lineStyles(record.contestants);
  const time = timeAxisOf(record);
  return {
    name: 'machine-idle',
    title: 'How idle the machine was',
    caption: `Idle part of the processors of the machine that ran all hosts. Where less than ${IDLE_LIMIT_PERCENT} % was idle on average, the machine was the limit and the times say little about the network.`,
    draw: (widthPx) =>
      drawPanels(
        {
          time,
          timeLabel: `Time since the start (${time.remark})`,
          yLabel: 'Idle processors (% of the machine)',
          yMax: 100,
          panels: ranOnes(record).flatMap((contestant) => {
            const style = styles.get(contestant.name);
            const first = contestant.samples[0];
            const points = (first === undefined ? [] : [{ ...first, seconds: 0 }, ...contestant.samples]).map(
              ({ seconds, cpuBusyPercent }): Point => [seconds, 100 - cpuBusyPercent],
            );
            return style === undefined
              ? []
              : [
                  {
                    style,
                    name: contestant.name,
                    text: idleText(contestant),
                    isAlarm: wasMachineTheLimit(contestant),
                    points: thinned(points, widthPx),
                  },
                ];
          }),
          rules: [{ value: IDLE_LIMIT_PERCENT, className: 'limit', text: `${IDLE_LIMIT_PERCENT} % idle` }],
        },
        widthPx,
      ),
  };
}

function idleText(contestant: ContestantRecord): string {
  const below = contestant.samples.filter(({ cpuBusyPercent }) => 100 - cpuBusyPercent < IDLE_LIMIT_PERCENT).length;
  const part =
    below === 0 ? '' : `, below ${IDLE_LIMIT_PERCENT} % for ${share(below, contestant.samples.length)} of the time`;
  const mean = `${percentage(contestant.cpuIdlePercent)} % idle on average${part}`;
  return wasMachineTheLimit(contestant) ? `${mean}: the machine was the limit` : mean;
}
