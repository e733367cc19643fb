/** Where a series of samples goes, by least squares over the medians of its blocks: what rises and falls within a block is no trend. */
export interface Trend {
  readonly perHour: number;
  /** Half of the 95 % interval. */
  readonly uncertainty: number;
}

export interface TimedSample {
  readonly atMs: number;
  readonly value: number;
}

const BLOCKS = 10;
/** Student's t for 95 % and BLOCKS - 2 degrees of freedom. */
const T_95 = 2.306;
const HOUR_MS = 3_600_000;

/** @throws RangeError with fewer than two samples for each of ten blocks */
export function trendOf(samples: readonly TimedSample[]): Trend {
  if (samples.length < 2 * BLOCKS) throw new RangeError(`${samples.length} samples are too few to tell a trend`);
  const points = Array.from({ length: BLOCKS }, (_, i) => {
    const block = samples.slice(
      Math.floor((i * samples.length) / BLOCKS),
      Math.floor(((i + 1) * samples.length) / BLOCKS),
    );
    return { hours: middle(block.map(({ atMs }) => atMs / HOUR_MS)), value: middle(block.map(({ value }) => value)) };
  });
  const meanHours = points.reduce((sum, { hours }) => sum + hours, 0) / BLOCKS;
  const mean = points.reduce((sum, { value }) => sum + value, 0) / BLOCKS;
  const spread = points.reduce((sum, { hours }) => sum + (hours - meanHours) ** 2, 0);
  const perHour = points.reduce((sum, { hours, value }) => sum + (hours - meanHours) * (value - mean), 0) / spread;
  const errors = points.map(({ hours, value }) => value - mean - perHour * (hours - meanHours));
  const variance = errors.reduce((sum, error) => sum + error ** 2, 0) / (BLOCKS - 2);
  return { perHour, uncertainty: T_95 * Math.sqrt(variance / spread) };
}

/** Growing is what would be so with the smallest slope that fits the samples: a short run proves little either way. */
export function isGrowing({ perHour, uncertainty }: Trend, maxPerHour: number): boolean {
  return perHour - uncertainty > maxPerHour;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
