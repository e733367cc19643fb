import type { ContestantRecord } from '../../storm-record.ts';

/**
 * Colours after Okabe and Ito, made darker on white and lighter on black: text has a contrast of 4.5 and more, lines and bars of 3 and more (WCAG AA). Nothing is
 * told by colour alone: each line has its own dashes and end mark, each source of bytes its own pattern.
 */
export interface Theme {
  readonly background: string;
  readonly raised: string;
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly bound: string;
  readonly alarm: string;
  readonly series: readonly string[];
  readonly sources: Readonly<Record<SourceName, string>>;
}

export type SourceName = 'local' | 'rack' | 'peer' | 'seeder' | 'origin';

/** From nearest to farthest: the order of the parts of every bar. */
export const SOURCE_NAMES: readonly SourceName[] = ['local', 'rack', 'peer', 'seeder', 'origin'];

export const LIGHT: Theme = {
  background: '#ffffff',
  raised: '#f4f6f8',
  ink: '#1b2026',
  muted: '#525c66',
  grid: '#d9dee3',
  bound: '#1b2026',
  alarm: '#b3261e',
  series: ['#00629b', '#b84a00', '#007a5a', '#96367f', '#8a6200', '#4a5561', '#5b4fc4'],
  sources: { local: '#8b96a1', rack: '#2f8fc4', peer: '#00508a', seeder: '#c46a00', origin: '#a1260d' },
};

export const DARK: Theme = {
  background: '#14181d',
  raised: '#1d2329',
  ink: '#e9edf1',
  muted: '#a7b1bb',
  grid: '#333c45',
  bound: '#e9edf1',
  alarm: '#ff8a80',
  series: ['#5cb8ff', '#ff9c5a', '#3ecfa0', '#e793d2', '#e3bd4b', '#b3bec9', '#aaa2ff'],
  sources: { local: '#7d8994', rack: '#8fd0f5', peer: '#3f97db', seeder: '#f0a443', origin: '#ff7d66' },
};

/** How a contestant is drawn everywhere. */
export interface LineStyle {
  /** Of the theme's series. */
  readonly index: number;
  /** As `stroke-dasharray`. */
  readonly dash: string;
  readonly mark: MarkShape;
}

export type MarkShape = 'disc' | 'square' | 'triangle' | 'diamond' | 'wedge' | 'cross' | 'bar';

const DASHES = ['none', '8 4', '2 3', '12 4 2 4', '4 3', '14 3 2 3 2 3', '1 3'];
const SHAPES: readonly MarkShape[] = ['disc', 'square', 'triangle', 'diamond', 'wedge', 'cross', 'bar'];

/** By name; Quarry has the full line, the others follow in the record's order. */
export function lineStyles(contestants: readonly ContestantRecord[]): ReadonlyMap<string, LineStyle> {
  const names = contestants.map(({ name }) => name);
  const ordered = [...names.filter((name) => name === 'quarry'), ...names.filter((name) => name !== 'quarry')];
  return new Map(ordered.map((name, order) => [name, lineStyle(names.includes('quarry') ? order : order + 1)]));
}

function lineStyle(order: number): LineStyle {
  const index = order % SHAPES.length;
  return { index, dash: DASHES[index] ?? 'none', mark: SHAPES[index] ?? 'disc' };
}
