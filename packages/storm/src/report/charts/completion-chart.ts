import type { ContestantRecord, StormRecord } from '../../storm-record.ts';
import type { Chart } from '../drawing/chart.ts';
import { drawLineChart } from '../drawing/line-chart.ts';
import type { Point } from '../drawing/marks.ts';
import { lineStyles } from '../drawing/palette.ts';
import { boundLine, timeAxisOf } from './time-of-record.ts';
import { figure } from '../figures.ts';
import { isWhole, ranOnes } from '../standing.ts';

/** How many unshelves have finished, over time, a line for each contestant. */
export function completionChart(record: StormRecord): Chart {
  const contestants = ranOnes(record);
  const styles = lineStyles(record.contestants);
  const time = timeAxisOf(record);
  return {
    name: 'completion',
    title: 'When unshelves finished',
    caption:
      `Unshelves finished since the storm began, a line for each contestant, against the bound T* of ${figure(record.boundSeconds)} s. ` +
      'Further left is quicker; a line without a mark at its end never reached all of them.',
    draw: (widthPx) =>
      drawLineChart(
        {
          time,
          timeLabel: `Time since the start (${time.remark})`,
          yLabel: 'Unshelves finished (number)',
          yMax: Math.max(
            1,
            ...contestants.map(({ expectedToFinish, unshelves }) =>
              Math.max(expectedToFinish, endsOf(unshelves).length),
            ),
          ),
          isCount: true,
          lines: contestants.flatMap((contestant) => {
            const style = styles.get(contestant.name);
            return style === undefined
              ? []
              : [
                  {
                    style,
                    text: `${contestant.name}: ${outcome(contestant)}`,
                    steps: stepsOf(contestant),
                    isComplete: isWhole(contestant),
                  },
                ];
          }),
          ...boundLine(record),
        },
        widthPx,
      ),
  };
}

function outcome(contestant: ContestantRecord): string {
  if (isWhole(contestant)) return `all ${contestant.finished} after ${figure(contestant.makespanSeconds)} s`;
  return `${contestant.finished} of ${contestant.expectedToFinish} finished`;
}

function endsOf(unshelves: ContestantRecord['unshelves']): readonly number[] {
  return unshelves
    .flatMap(({ endedSeconds, failure }) => (endedSeconds === undefined || failure !== undefined ? [] : [endedSeconds]))
    .toSorted((a, b) => a - b);
}

/** Who did not bring all to its end stays level until the last sample: it is seen for how long it was waited for. */
function stepsOf(contestant: ContestantRecord): readonly Point[] {
  const ends = endsOf(contestant.unshelves);
  const steps: readonly Point[] = [[0, 0], ...ends.map((seconds, index): Point => [seconds, index + 1])];
  const lastSeconds = contestant.samples.at(-1)?.seconds;
  if (isWhole(contestant) || lastSeconds === undefined || lastSeconds <= (ends.at(-1) ?? 0)) return steps;
  return [...steps, [lastSeconds, ends.length]];
}
