/** Numbers as a reader of a report wants them. */

export function durationText(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 9950 ? 2 : 1)} s`;
}

/** Since the storm began. */
export function momentText(ms: number, startMs: number): string {
  return `${((ms - startMs) / 1000).toFixed(2)} s`;
}

export function packText(pack: string): string {
  return `${pack.slice(0, 8)}…`;
}

const PARTS = ['', 'all', 'half', 'a third', 'a quarter', 'a fifth', 'a sixth', 'a seventh', 'an eighth', 'a ninth'];
const MORE_PARTS = ['a tenth', 'an eleventh', 'a twelfth'];

/** "a third of the link" and its like, for a part between 0 and 1. */
export function partOfLinkText(part: number): string {
  if (part >= 0.8) return 'as fast as the link is';
  if (part >= 0.6) return 'two thirds of the link';
  const nth = Math.round(1 / part);
  const named = [...PARTS, ...MORE_PARTS][nth];
  return `${named ?? `1/${Number.isFinite(nth) ? nth : '∞'}`} of the link`;
}

export function percentText(part: number): string {
  return `${Math.round(part * 100)} %`;
}
