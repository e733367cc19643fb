import { limits } from '@quarry/content';
import type { Storm } from '@quarry/scenario';

const LEAST_MS = 120_000;

/**
 * How long a contestant may take: what the scenario allows, and in any case twice what it takes to send every image to everybody over the origin's link,
 * since that is what most of them do.
 */
export function patienceOf(storm: Storm): number {
  const bytes = storm.unshelves.reduce(
    (sum, { image }) =>
      sum + (storm.images[image]?.runs ?? []).reduce((all, run) => all + run.chunkCount * limits.fixedChunkBytes, 0),
    0,
  );
  const rate = Math.min(storm.origin.bytesPerSecond, storm.origin.budgetBytesPerSecond);
  const lastMs = Math.max(0, ...storm.unshelves.map(({ atMs }) => atMs));
  const direct = rate < Infinity ? (bytes / rate) * 1000 : 0;
  return Math.max(storm.limitMs, lastMs + LEAST_MS + 2 * direct);
}
