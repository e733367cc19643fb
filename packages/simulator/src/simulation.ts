import type { Storm } from '@quarry/scenario';
import type { SimulationReport } from './report.ts';
import type { TraceSink } from './trace.ts';

/** Runs a storm to its end. Gives the event loop a turn now and then, so that Ctrl-C arrives. @throws the signal's reason */
export type Simulate = (storm: Storm, options: SimulationOptions) => Promise<SimulationResult>;

export interface SimulationOptions {
  readonly trace?: TraceSink | undefined;
  /** Called now and then, at most some ten times per real second. */
  readonly onProgress?: ((virtualMs: number, finished: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default true. Without, a large run is a little faster and proves less. */
  readonly checkInvariants?: boolean | undefined;
}

export interface SimulationResult {
  /** All but what only the one knows who has a real clock. */
  readonly report: Omit<SimulationReport, 'realSeconds'>;
  /** In the storm's order. */
  readonly unshelves: readonly SimulatedUnshelve[];
  readonly broken: readonly BrokenInvariant[];
  /** Chunks that left the origin more than once, by the reason that was recorded. */
  readonly regives: Readonly<Record<string, number>>;
  /** How many events were run. */
  readonly events: number;
  /** Whatever else was counted, by name, for people and for `--json`. */
  readonly notes: Readonly<Record<string, number | string>>;
}

export interface SimulatedUnshelve {
  readonly host: number;
  readonly image: number;
  readonly atMs: number;
  /** Whether its host is honest and counts: whom the others leave alone for his lies may take as long as he likes. */
  readonly isHonest: boolean;
  readonly linkBytesPerSecond: number;
  /** Undefined: it never ended. */
  readonly endedMs: number | undefined;
  /** What the image's chunks add up to that the host did not hold when it began. */
  readonly bytes: number;
  /** Why it did not end, or ended in an error. */
  readonly why?: string | undefined;
}

export type InvariantName =
  | 'badChunkAccepted'
  | 'budgetExceeded'
  | 'tooManyReads'
  | 'readTwice'
  | 'unfinished'
  | 'failed'
  | 'hung';

export interface BrokenInvariant {
  readonly atMs: number;
  readonly name: InvariantName;
  /** A sentence with the hosts, packs and numbers. */
  readonly message: string;
}
