import { isGrowing, trendOf } from './trend.ts';
import type { TimedSample, Trend } from './trend.ts';

export const soakQuantities = {
  rssMiB: { says: 'RSS', unit: 'MiB', maxPerHour: 32, leastRise: 8 },
  pssMiB: { says: 'PSS', unit: 'MiB', maxPerHour: 32, leastRise: 8 },
  openFiles: { says: 'open files', unit: '', maxPerHour: 12, leastRise: 6 },
  sockets: { says: 'sockets', unit: '', maxPerHour: 12, leastRise: 6 },
  threads: { says: 'threads', unit: '', maxPerHour: 3, leastRise: 2 },
  diskMiB: { says: 'disk', unit: 'MiB', maxPerHour: 64, leastRise: 32 },
} as const;

export type SoakQuantity = keyof typeof soakQuantities;

/** One quantity of one daemon, from when it was last started. */
export interface SoakSeries {
  readonly daemon: string;
  readonly quantity: SoakQuantity;
  readonly samples: readonly TimedSample[];
}

export interface SoakVerdict {
  readonly quantity: SoakQuantity;
  /**
   * `grows`: one daemon's certainly does, by more than what is allowed; `flat`: none's can by more than that; `untold`: neither is proven, which is what a short
   * soak ends with.
   */
  readonly verdict: 'flat' | 'grows' | 'untold';
  /** The daemon whose growth is largest at least; none where all were too short to say anything. */
  readonly worst: (Trend & { readonly daemon: string }) | null;
  /** Of every daemon that lived long enough. */
  readonly trends: readonly (Trend & { readonly daemon: string })[];
  readonly peak: number;
  readonly median: number;
}

/** Of a daemon's time: buffers, compiled code and the heap reach their sizes in it. */
const WARM_UP = 1 / 3;
/** After that; growing within less is still the start. */
const LEAST_MS = 10 * 60_000;
const LEAST_SAMPLES = 20;

/** One for each quantity that there are series of. */
export function judgeSoak(series: readonly SoakSeries[]): SoakVerdict[] {
  const quantities = (Object.keys(soakQuantities) as SoakQuantity[]).filter((name) =>
    series.some(({ quantity, samples }) => quantity === name && samples.length > 0),
  );
  return quantities.map((quantity) =>
    judge(
      quantity,
      series.filter((one) => one.quantity === quantity),
    ),
  );
}

function judge(quantity: SoakQuantity, series: readonly SoakSeries[]): SoakVerdict {
  const { maxPerHour, leastRise } = soakQuantities[quantity];
  const all = series.flatMap(({ samples }) => samples.map(({ value }) => value));
  const trends = series.flatMap(({ daemon, samples }) => {
    const warm = afterWarmUp(samples);
    if (warm === undefined) return [];
    const hours = ((warm.at(-1)?.atMs ?? 0) - (warm[0]?.atMs ?? 0)) / 3_600_000;
    return [{ daemon, hours, ...trendOf(warm) }];
  });
  // so small a rise is a step somewhere, however certain it is
  const grows = trends.filter((trend) => isGrowing(trend, maxPerHour) && trend.perHour * trend.hours > leastRise);
  const isFlat = trends.length > 0 && trends.every(({ perHour, uncertainty }) => perHour + uncertainty <= maxPerHour);
  const [worst] = (grows.length > 0 ? grows : trends).toSorted(
    (a, b) => b.perHour - b.uncertainty - (a.perHour - a.uncertainty),
  );
  return {
    quantity,
    verdict: grows.length > 0 ? 'grows' : isFlat ? 'flat' : 'untold',
    worst: worst ? { daemon: worst.daemon, perHour: worst.perHour, uncertainty: worst.uncertainty } : null,
    trends: trends.map(({ daemon, perHour, uncertainty }) => ({ daemon, perHour, uncertainty })),
    peak: all.reduce((most, value) => Math.max(most, value), 0),
    median: all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0,
  };
}

function afterWarmUp(samples: readonly TimedSample[]): readonly TimedSample[] | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last) return undefined;
  const fromMs = first.atMs + (last.atMs - first.atMs) * WARM_UP;
  const warm = samples.filter(({ atMs }) => atMs >= fromMs);
  return last.atMs - fromMs >= LEAST_MS && warm.length >= LEAST_SAMPLES ? warm : undefined;
}
