/** A mean and its deviation that follow what is observed, as TCP estimates its round trip (RFC 6298: gains 1/8 and 1/4). */
export interface Smoothed {
  observe(value: number): void;
  readonly mean: number;
  /** The mean plus four deviations: nearly everything lies below. */
  readonly upper: number;
}

export function createSmoothed(first: number): Smoothed {
  let mean = first;
  let deviation = first / 2;
  let isFirst = true;
  return {
    observe(value) {
      if (isFirst) {
        isFirst = false;
        mean = value;
        deviation = value / 2;
        return;
      }
      deviation += (Math.abs(value - mean) - deviation) / 4;
      mean += (value - mean) / 8;
    },
    get mean() {
      return mean;
    },
    get upper() {
      return mean + 4 * deviation;
    },
  };
}
