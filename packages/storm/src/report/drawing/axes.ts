import { markup } from './markup.ts';
import type { Markup } from './markup.ts';
import { round } from './chart.ts';
import type { Scale } from './scale.ts';
import { textWidthPx } from './text.ts';
import { tickText } from '../figures.ts';

/** What is between the axes, in pixels. */
export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export const X_AXIS_PX = 42;

/** Ticks below the plot, and what they mean with the unit: `Time since the start (s)`. */
export function drawXAxis(plot: Plot, scale: Scale, label: string): Markup {
  const whole = (plot.left + plot.right) / 2;
  // A label of many words on a narrow chart would leave it on the left.
  const x = Math.max(textWidthPx(label) / 2, Math.min(whole, plot.right - textWidthPx(label) / 2));
  return markup`<path class="axis" d="M${plot.left} ${plot.bottom}H${plot.right}"/>${scale.ticks.map((tick) => {
    const at = round(scale(tick));
    return markup`<path class="axis" d="M${at} ${plot.bottom}v4"/><text class="muted" text-anchor="middle" x="${at}" y="${plot.bottom + 17}">${tickText(tick)}</text>`;
  })}<text class="axis-label" text-anchor="middle" x="${round(x)}" y="${plot.bottom + 36}">${label}</text>`;
}

/** Grid lines with their values on the left. */
export function drawYGrid(plot: Plot, scale: Scale): Markup {
  return markup`${scale.ticks.map((tick) => {
    const at = round(scale(tick));
    return markup`<path class="grid" d="M${plot.left} ${at}H${plot.right}"/><text class="muted" text-anchor="end" x="${plot.left - 6}" y="${at + 4}">${tickText(tick)}</text>`;
  })}`;
}

/** Above the plot, level: a label that stands upright is read by nobody. */
export function drawYLabel(label: string, y: number): Markup {
  return markup`<text class="axis-label" x="0" y="${y}">${label}</text>`;
}

/** Room that the values on the left take. */
export function yTicksPx(ticks: readonly number[]): number {
  return Math.ceil(Math.max(...ticks.map((tick) => textWidthPx(tickText(tick))))) + 10;
}

/** T* as an upright line with its name above it, kept inside of the chart. */
export function drawBound(plot: Plot, x: number, label: string, labelY: number): Markup {
  const half = textWidthPx(label) / 2;
  const labelX = Math.max(half, Math.min(x, plot.right + 8 - half));
  return markup`<path class="bound" d="M${round(x)} ${plot.top}V${plot.bottom}"/><text class="strong" text-anchor="middle" x="${round(labelX)}" y="${labelY}">${label}</text>`;
}
