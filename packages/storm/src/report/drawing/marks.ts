import { round } from './chart.ts';
import { markup } from './markup.ts';
import type { Markup } from './markup.ts';
import type { LineStyle, MarkShape } from './palette.ts';

export type Point = readonly [x: number, y: number];

const RADIUS = 5;

const OUTLINES: Readonly<Record<MarkShape, readonly Point[]>> = {
  disc: Array.from({ length: 12 }, (_, step) => [Math.cos((step * Math.PI) / 6), Math.sin((step * Math.PI) / 6)]),
  square: [
    [-0.9, -0.9],
    [0.9, -0.9],
    [0.9, 0.9],
    [-0.9, 0.9],
  ],
  triangle: [
    [0, -1.1],
    [1.1, 0.9],
    [-1.1, 0.9],
  ],
  diamond: [
    [0, -1.3],
    [1.1, 0],
    [0, 1.3],
    [-1.1, 0],
  ],
  wedge: [
    [0, 1.1],
    [1.1, -0.9],
    [-1.1, -0.9],
  ],
  cross: [
    [-0.35, -1.2],
    [0.35, -1.2],
    [0.35, -0.35],
    [1.2, -0.35],
    [1.2, 0.35],
    [0.35, 0.35],
    [0.35, 1.2],
    [-0.35, 1.2],
    [-0.35, 0.35],
    [-1.2, 0.35],
    [-1.2, -0.35],
    [-0.35, -0.35],
  ],
  bar: [
    [-0.5, -1.3],
    [0.5, -1.3],
    [0.5, 1.3],
    [-0.5, 1.3],
  ],
};

/** At the end of a line whose contestant brought everything to its end. */
export function endMark(style: LineStyle, [x, y]: Point): Markup {
  const points = OUTLINES[style.mark].map(([dx, dy]) => `${round(x + dx * RADIUS)},${round(y + dy * RADIUS)}`);
  return markup`<polygon class="fill s${style.index}" points="${points.join(' ')}"/>`;
}

/** A contestant in a legend: its line with its dashes, and its mark where the line has one. */
export function lineSample(style: LineStyle, isComplete: boolean): Markup {
  return markup`${polyline(style, [
    [0, 6],
    [24, 6],
  ])}${isComplete ? endMark(style, [24, 6]) : undefined}`;
}

export function ruleSample(className: string): Markup {
  return markup`<path class="${className}" d="M0 6H28"/>`;
}

export function polyline(style: LineStyle, points: readonly Point[]): Markup {
  return markup`<path class="line s${style.index}" stroke-dasharray="${style.dash}" d="${pathOf(points)}"/>`;
}

export function pathOf(points: readonly Point[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
}

/** Level until the next point, then up or down: what counts things does not grow between two of them. */
export function stepPath(points: readonly Point[]): string {
  return points
    .map(([x, y], index) => (index === 0 ? `M${round(x)} ${round(y)}` : `H${round(x)}V${round(y)}`))
    .join('');
}
