import { drawBound, drawXAxis, drawYGrid, drawYLabel, X_AXIS_PX, yTicksPx } from './axes.ts';
import type { Plot } from './axes.ts';
import { drawLegend, round } from './chart.ts';
import type { Drawing } from './chart.ts';
import { markup } from './markup.ts';
import type { Markup } from './markup.ts';
import { pathOf, ruleSample } from './marks.ts';
import type { Point } from './marks.ts';
import type { LineStyle } from './palette.ts';
import { linearScale } from './scale.ts';
import { wrapText } from './text.ts';
import type { TimeAxis } from './time-axis.ts';

/** The same axes once for each contestant, one below the other: what jumps up and down at every sample cannot share a plot. */
export interface Panels {
  readonly time: TimeAxis;
  readonly timeLabel: string;
  readonly yLabel: string;
  readonly yMax: number;
  readonly panels: readonly Panel[];
  /** Level lines in every panel. */
  readonly rules: readonly {
    readonly value: number;
    readonly className: 'limit' | 'budget';
    readonly text: string;
  }[];
  readonly bound?: { readonly seconds: number; readonly text: string };
}

export interface Panel {
  readonly style: LineStyle;
  readonly name: string;
  /** Follows the name. */
  readonly text: string;
  readonly isAlarm: boolean;
  /** Seconds and values, by seconds. */
  readonly points: readonly Point[];
}

const PANEL_PX = 62;
const LINE_PX = 16;

export function drawPanels(chart: Panels, widthPx: number): Drawing {
  const left = yTicksPx(linearScale({ max: chart.yMax, fromPx: PANEL_PX, toPx: 0, tickPx: 26 }).ticks);
  const right = widthPx - 16;
  const x = chart.time.scale(left, right, 46);
  let top = chart.bound === undefined ? 22 : 40;
  const first = top;
  const drawn = chart.panels.map((panel) => {
    const heading = wrapText(`${panel.name}: ${panel.text}`, widthPx);
    const plotTop = top + heading.length * LINE_PX + 8;
    const plot: Plot = { left, right, top: plotTop, bottom: plotTop + PANEL_PX };
    const y = linearScale({ max: chart.yMax, fromPx: plot.bottom, toPx: plot.top, tickPx: 26 });
    const points = panel.points.map(([seconds, value]): Point => [x(seconds), y(value)]);
    const headingTop = top;
    top = plot.bottom + 14;
    return markup`${heading.map((line, index) => markup`<text class="strong${panel.isAlarm ? ' alarm' : ''}" x="0" y="${headingTop + 13 + index * LINE_PX}">${line}</text>`)}${drawYGrid(plot, y)}${area(panel.style, points, plot.bottom)}${
      points.length > 0 ? markup`<path class="line s${panel.style.index}" d="${pathOf(points)}"/>` : undefined
    }${chart.rules.map(({ value, className }) => markup`<path class="${className}" d="M${left} ${round(y(value))}H${right}"/>`)}${
      chart.bound === undefined
        ? undefined
        : markup`<path class="bound" d="M${round(x(chart.bound.seconds))} ${plot.top}V${plot.bottom}"/>`
    }`;
  });
  const bottom = top - 14;
  const whole: Plot = { left, right, top: first, bottom };
  const legend = drawLegend(
    chart.rules.map(({ className, text }) => ({ sample: ruleSample(className), text })),
    widthPx,
    bottom + X_AXIS_PX + 12,
  );
  const bound =
    chart.bound === undefined
      ? undefined
      : drawBound({ ...whole, bottom: first }, x(chart.bound.seconds), chart.bound.text, first - 8);
  return {
    heightPx: bottom + X_AXIS_PX + 12 + legend.heightPx,
    content: markup`${drawYLabel(chart.yLabel, 12)}${drawn}${bound}${drawXAxis(whole, x, chart.timeLabel)}${legend.content}`,
  };
}

function area(style: LineStyle, points: readonly Point[], bottom: number): Markup | undefined {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined) return undefined;
  return markup`<path class="area fill s${style.index}" d="${pathOf([[first[0], bottom], ...points, [last[0], bottom]])}Z"/>`;
}

/**
 * At most `most` points: neighbours that would fall on the same pixel become their mean, so that an hour of samples is no larger in the page than a
 * minute of them.
 */
export function thinned(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const each = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / each) }, (_, index): Point => {
    const group = points.slice(index * each, (index + 1) * each);
    const mean = (axis: 0 | 1): number => group.reduce((sum, point) => sum + point[axis], 0) / group.length;
    return [mean(0), mean(1)];
  });
}
