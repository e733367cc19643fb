import type { Clock } from '@quarry/runtime';
import type { ChaosRunners } from '../chaos/run-chaos.ts';
import type { Simulate } from '../simulation.ts';
import type { Streams } from './streams.ts';

/** What the command line is given: the real world, or a test's. */
export interface CliContext {
  readonly streams: Streams;
  /** For real seconds only. */
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly simulate: Simulate;
  readonly chaosRunners: ChaosRunners;
  /** How many chaos runs go on at once unless told. */
  readonly workers: number;
  readonly peakRssMiB: () => number;
}
