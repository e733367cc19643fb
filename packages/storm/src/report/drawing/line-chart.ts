import { drawBound, drawXAxis, drawYGrid, drawYLabel, X_AXIS_PX, yTicksPx } from './axes.ts';
import type { Plot } from './axes.ts';
import { drawLegend } from './chart.ts';
import type { Drawing, LegendItem } from './chart.ts';
import { markup } from './markup.ts';
import { endMark, lineSample, ruleSample, stepPath } from './marks.ts';
import type { Point } from './marks.ts';
import type { LineStyle } from './palette.ts';
import { linearScale } from './scale.ts';
import type { TimeAxis } from './time-axis.ts';

export interface LineChart {
  readonly time: TimeAxis;
  readonly timeLabel: string;
  readonly yLabel: string;
  readonly yMax: number;
  /** Values are whole. */
  readonly isCount: boolean;
  readonly lines: readonly ChartLine[];
  readonly bound?: { readonly seconds: number; readonly text: string };
}

export interface ChartLine {
  readonly style: LineStyle;
  /** In the legend. */
  readonly text: string;
  /** Seconds and values, by seconds; drawn as steps. */
  readonly steps: readonly Point[];
  /** Whether it gets its mark at the end. */
  readonly isComplete: boolean;
}

const TICK_PX = 46;

/** Steps over time, all lines in one plot. */
export function drawLineChart(chart: LineChart, widthPx: number): Drawing {
  const isNarrow = widthPx < 600;
  const top = chart.bound === undefined ? 26 : 44;
  const bottom = top + (isNarrow ? 220 : 320);
  const y = linearScale({ max: chart.yMax, fromPx: bottom, toPx: top, tickPx: 40, isCount: chart.isCount });
  const plot: Plot = { left: yTicksPx(y.ticks), right: widthPx - 16, top, bottom };
  const x = chart.time.scale(plot.left, plot.right, TICK_PX);
  const lines = chart.lines.map(({ style, steps, isComplete }) => {
    const points = steps.map(([seconds, value]): Point => [x(seconds), y(value)]);
    const last = points.at(-1);
    return markup`<path class="line s${style.index}" stroke-dasharray="${style.dash}" d="${stepPath(points)}"/>${isComplete && last !== undefined ? endMark(style, last) : undefined}`;
  });
  const legend = drawLegend(legendOf(chart), widthPx, bottom + X_AXIS_PX + 12);
  return {
    heightPx: bottom + X_AXIS_PX + 12 + legend.heightPx,
    content: markup`${drawYLabel(chart.yLabel, 12)}${drawYGrid(plot, y)}${drawXAxis(plot, x, chart.timeLabel)}${
      chart.bound === undefined ? undefined : drawBound(plot, x(chart.bound.seconds), chart.bound.text, top - 8)
    }${lines}${legend.content}`,
  };
}

function legendOf(chart: LineChart): readonly LegendItem[] {
  return [
    ...chart.lines.map(({ style, text, isComplete }) => ({ sample: lineSample(style, isComplete), text })),
    ...(chart.bound === undefined ? [] : [{ sample: ruleSample('bound'), text: `bound ${chart.bound.text}` }]),
  ];
}
