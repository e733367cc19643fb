import { drawXAxis, drawYGrid, drawYLabel, X_AXIS_PX, yTicksPx } from './axes.ts';
import type { Plot } from './axes.ts';
import { drawLegend, round } from './chart.ts';
import type { Drawing, LegendItem } from './chart.ts';
import { markup } from './markup.ts';
import type { Markup } from './markup.ts';
import { SOURCE_NAMES } from './palette.ts';
import type { SourceName } from './palette.ts';
import { linearScale } from './scale.ts';
import type { Scale } from './scale.ts';
import { FONT_PX, shortened, textWidthPx } from './text.ts';

/** A bar for each host, made of where its bytes came from. */
export interface StackedBars {
  readonly valueLabel: string;
  /** What stands along the bars where there are too many for names. */
  readonly rankLabel: string;
  readonly bars: readonly StackedBar[];
  /** Sources that occur. */
  readonly legend: readonly { readonly name: SourceName; readonly text: string }[];
}

export interface StackedBar {
  readonly name: string;
  readonly values: Readonly<Record<SourceName, number>>;
}

/** With more bars than this names are too many to read: bars become thin and stand upright. */
const NAMED_BARS = 40;
const NAME_CHARACTERS = 14;
/** Thin bars overlap by so much: between whole pixels paper would shine through. */
const SEAM_PX = 0.6;

export function drawStackedBars(chart: StackedBars, widthPx: number, ids: string): Drawing {
  const { heightPx, content } =
    chart.bars.length <= NAMED_BARS ? drawNamed(chart, widthPx, ids) : drawThin(chart, widthPx, ids);
  const legend = drawLegend(legendOf(chart, ids), widthPx, heightPx + 12);
  return { heightPx: heightPx + 12 + legend.heightPx, content: markup`${patterns(ids)}${content}${legend.content}` };
}

/** Level bars with the host's name before each. */
function drawNamed({ bars, valueLabel }: StackedBars, widthPx: number, ids: string): Drawing {
  const pitch = bars.length <= 16 ? 24 : 17;
  const names = bars.map(({ name }) => shortened(name, NAME_CHARACTERS));
  const left = Math.ceil(Math.max(0, ...names.map((name) => textWidthPx(name)))) + 8;
  const plot: Plot = { left, right: widthPx - 20, top: 20, bottom: 24 + bars.length * pitch };
  const x = linearScale({ max: largest(bars), fromPx: plot.left, toPx: plot.right, tickPx: 60 });
  const rows = bars.map(({ values }, index) => {
    const y = plot.top + 2 + index * pitch;
    return markup`<text text-anchor="end" x="${left - 6}" y="${round(y + pitch / 2 + FONT_PX / 3)}">${names[index]}</text>${parts(
      values,
      x,
    ).map(
      ({ name, from, to }) =>
        markup`<rect ${fillOf(name, ids)} x="${round(from)}" y="${y + 2}" width="${round(Math.max(0, to - from - 1))}" height="${pitch - 4}"/>`,
    )}`;
  });
  return {
    heightPx: plot.bottom + X_AXIS_PX,
    content: markup`${drawYLabel('Host (name)', 12)}${x.ticks.map(
      (tick) => markup`<path class="grid" d="M${round(x(tick))} ${plot.top}V${plot.bottom}"/>`,
    )}${rows}${drawXAxis(plot, x, valueLabel)}`,
  };
}

/** Upright bars without a gap, by rank. */
function drawThin({ bars, valueLabel, rankLabel }: StackedBars, widthPx: number, ids: string): Drawing {
  const bottom = widthPx < 600 ? 220 : 290;
  const y = linearScale({ max: largest(bars), fromPx: bottom, toPx: 24, tickPx: 40 });
  const plot: Plot = { left: yTicksPx(y.ticks), right: widthPx - 20, top: 24, bottom };
  const x = linearScale({ max: bars.length, fromPx: plot.left, toPx: plot.right, tickPx: 60, isCount: true });
  const columns = bars.map(({ values }, index) =>
    parts(values, y).map(
      ({ name, from, to }) =>
        markup`<rect ${fillOf(name, ids)} x="${round(x(index))}" y="${round(to)}" shape-rendering="crispEdges" width="${round(x(1) - x(0) + SEAM_PX)}" height="${round(from - to)}"/>`,
    ),
  );
  return {
    heightPx: bottom + X_AXIS_PX,
    content: markup`${drawYLabel(valueLabel, 12)}${drawYGrid(plot, y)}${columns}${drawXAxis(plot, x, rankLabel)}`,
  };
}

function parts(
  values: StackedBar['values'],
  scale: Scale,
): readonly { readonly name: SourceName; readonly from: number; readonly to: number }[] {
  let sum = 0;
  return SOURCE_NAMES.flatMap((name) => {
    const value = Math.max(0, values[name]);
    const from = scale(sum);
    sum += value;
    return value > 0 ? [{ name, from, to: scale(sum) }] : [];
  });
}

function largest(bars: readonly StackedBar[]): number {
  return Math.max(
    0,
    ...bars.map(({ values }) => SOURCE_NAMES.reduce((sum, name) => sum + Math.max(0, values[name]), 0)),
  );
}

function legendOf({ legend }: StackedBars, ids: string): readonly LegendItem[] {
  return legend.map(({ name, text }) => ({
    sample: markup`<rect ${fillOf(name, ids)} width="28" height="12"/>`,
    text,
  }));
}

/** Lines over the colour, so that neighbours differ without it, in grey print as well; nothing: the bare colour. */
const HATCHES: Readonly<Partial<Record<SourceName, string>>> = {
  rack: 'M0 3H6',
  seeder: 'M-1 7L7 -1M-1 1L1 -1M5 7L7 5',
  origin: 'M0 0L6 6M6 0L0 6',
};

function patterns(ids: string): Markup {
  return markup`<defs>${Object.entries(HATCHES).map(
    ([name, path]) =>
      markup`<pattern id="${ids}-${name}" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="from-${name}" width="6" height="6"/><path class="hatch" d="${path}"/></pattern>`,
  )}</defs>`;
}

function fillOf(name: SourceName, ids: string): Markup {
  return HATCHES[name] === undefined ? markup`class="from-${name}"` : markup`fill="url(#${ids}-${name})"`;
}
