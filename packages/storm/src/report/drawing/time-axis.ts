import { compressedScale, linearScale } from './scale.ts';
import type { Scale } from './scale.ts';

/** One time axis for all contestants of a record. */
export interface TimeAxis {
  /** Added to the label where the axis is not straight. */
  readonly remark: string;
  readonly maxSeconds: number;
  scale(fromPx: number, toPx: number, tickPx: number): Scale;
}

/** From here on a straight axis would press the quickest into its first seventh. */
const COMPRESS_FROM = 7;

/**
 * Straight where all ends lie close together; compressed beyond the quickest where somebody takes many times as long, as reading from the origin one by one does.
 * `ends`: when each contestant was done, seconds.
 */
export function timeAxis(ends: readonly number[], boundSeconds: number): TimeAxis {
  const known = [...ends, boundSeconds].filter((seconds) => Number.isFinite(seconds) && seconds > 0);
  const longest = Math.max(...known, 0);
  const maxSeconds = longest === 0 ? 1 : longest * 1.02;
  const quickest = Math.min(...known, longest);
  if (longest < quickest * COMPRESS_FROM) {
    return {
      remark: 's',
      maxSeconds,
      scale: (fromPx, toPx, tickPx) => linearScale({ max: maxSeconds, fromPx, toPx, tickPx }),
    };
  }
  return {
    remark: 's, compressed to the right',
    maxSeconds,
    scale: (fromPx, toPx, tickPx) => compressedScale({ max: maxSeconds, knee: quickest, fromPx, toPx, tickPx }),
  };
}
