import type { SamplePackOptions } from '@quarry/content/conformance';

/** How many packs the process that is killed works on. */
export const CRASH_PACKS = 6;

/** Pack number `i`, the same in the process that writes and in the test that looks. */
export function crashPackOptions(i: number): SamplePackOptions {
  return { seed: 100 + i, chunkCount: 60 + i, chunkBytes: (chunk) => 3000 + 50 * (chunk % 7), isCompressible: true };
}
