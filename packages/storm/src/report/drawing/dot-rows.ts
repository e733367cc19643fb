import { drawXAxis, X_AXIS_PX } from './axes.ts';
import type { Plot } from './axes.ts';
import { drawLegend, round } from './chart.ts';
import type { Drawing, LegendItem } from './chart.ts';
import { markup } from './markup.ts';
import type { Markup } from './markup.ts';
import type { LineStyle } from './palette.ts';
import { linearScale } from './scale.ts';
import { median } from '../figures.ts';
import { wrapText } from './text.ts';

/** A row for each contestant, in it a dot for each host: 8 hosts or 200, what lies far off is seen. */
export interface DotRows {
  readonly xLabel: string;
  readonly rows: readonly DotRow[];
  readonly legend: readonly LegendItem[];
}

export interface DotRow {
  readonly style: LineStyle;
  readonly name: string;
  readonly text: string;
  readonly dots: readonly number[];
  /** A second figure of the same unit, as rings below the dots. */
  readonly rings?: readonly number[];
}

const BAND_PX = 18;
const LINE_PX = 16;
// The golden ratio spreads neighbours over the band, the same way at every drawing.
const SPREAD = 0.618034;

export function drawDotRows(chart: DotRows, widthPx: number): Drawing {
  const max = Math.max(
    0,
    ...chart.rows.flatMap(({ dots, rings }) => [...dots, ...(rings ?? [])]).filter(Number.isFinite),
  );
  const left = 8;
  const right = widthPx - 24;
  const x = linearScale({ max, fromPx: left, toPx: right, tickPx: 60 });
  let top = 0;
  const rows = chart.rows.map(({ style, name, text, dots, rings }) => {
    const heading = wrapText(`${name}: ${text}`, widthPx);
    const headingTop = top;
    const bandTop = top + heading.length * LINE_PX + 10;
    top = bandTop + BAND_PX * (rings === undefined ? 1 : 2) + 10;
    return markup`${heading.map((line, index) => markup`<text class="strong" x="0" y="${headingTop + 13 + index * LINE_PX}">${line}</text>`)}${x.ticks.map(
      (tick) => markup`<path class="grid" d="M${round(x(tick))} ${bandTop - 4}V${top - 6}"/>`,
    )}${dots.map((value, index) => markup`<circle class="dot fill s${style.index}" r="3.5" cx="${round(x(value))}" cy="${jittered(bandTop, index)}"/>`)}${rings?.map(
      (value, index) =>
        markup`<circle class="ring s${style.index}" r="3" cx="${round(x(value))}" cy="${jittered(bandTop + BAND_PX, index)}"/>`,
    )}${medianMark(dots, bandTop)}`;
  });
  const plot: Plot = { left, right, top: 0, bottom: top };
  const legend = drawLegend(chart.legend, widthPx, top + X_AXIS_PX + 12);
  return {
    heightPx: top + X_AXIS_PX + 12 + legend.heightPx,
    content: markup`${rows}${drawXAxis(plot, x, chart.xLabel)}${legend.content}`,
  };

  function medianMark(values: readonly number[], bandTop: number): Markup | undefined {
    const middle = median(values);
    return middle === undefined
      ? undefined
      : markup`<path class="median" d="M${round(x(middle))} ${bandTop - 4}v${BAND_PX + 4}"/>`;
  }
}

function jittered(top: number, index: number): number {
  return round(top + 3 + ((index * SPREAD) % 1) * (BAND_PX - 8));
}
