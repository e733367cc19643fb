/** The smallest value that so great a part of all does not exceed; 0 of nothing. `sorted` ascends, `part` is 0 to 1. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}
