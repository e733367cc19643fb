/** From values to pixels, with ticks at round values. */
export interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
  readonly max: number;
}

export interface ScaleOptions {
  /** The largest value to be shown; the axis begins at 0. */
  readonly max: number;
  readonly fromPx: number;
  readonly toPx: number;
  /** Distance of neighbouring ticks, at least. */
  readonly tickPx: number;
  /** Ticks at whole numbers only. */
  readonly isCount?: boolean;
}

/** Ends at the first round value at or above `max`. */
export function linearScale(options: ScaleOptions): Scale {
  const { fromPx, toPx } = options;
  const max = options.max > 0 && Number.isFinite(options.max) ? options.max : 1;
  const most = Math.max(1, Math.floor(Math.abs(toPx - fromPx) / options.tickPx));
  const step = Math.max(roundStep(max / most), options.isCount === true ? 1 : 0);
  const steps = Math.ceil(max / step - 1e-9);
  const end = steps * step;
  // Multiplied, not added up: 0.1 + 0.2 is no tick.
  const ticks = Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12)));
  return Object.assign((value: number) => fromPx + (clamped(value, end) / end) * (toPx - fromPx), { ticks, max: end });
}

/**
 * Like a straight axis up to about `knee`, like a logarithmic one beyond it, and it has a zero: log(1 + value / knee). What took 15 s and what took
 * 560 s both keep their shape.
 */
export function compressedScale(options: ScaleOptions & { readonly knee: number }): Scale {
  const { fromPx, toPx, knee, tickPx } = options;
  const max = options.max > 0 && Number.isFinite(options.max) ? options.max : 1;
  const whole = Math.log1p(max / knee);
  const place = (value: number): number => fromPx + (Math.log1p(clamped(value, max) / knee) / whole) * (toPx - fromPx);
  const ticks = [0];
  for (let power = Math.floor(Math.log10(knee)) - 1; 10 ** power <= max; power++) {
    for (const factor of [1, 2, 5]) {
      const tick = Number((factor * 10 ** power).toPrecision(12));
      if (tick <= max && Math.abs(place(tick) - place(ticks.at(-1) ?? 0)) >= tickPx) ticks.push(tick);
    }
  }
  return Object.assign(place, { ticks, max });
}

/** The smallest of 1, 2, 5, 10, 20, 50 ... (and 0.5, 0.2 ...) that is not below `least`. */
export function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10;
  return Number((factor * power).toPrecision(12));
}

function clamped(value: number, max: number): number {
  return Math.min(Math.max(value, 0), max);
}
