import type { Lifecycle } from '@quarry/runtime';
import type { Contestant, NotRun } from '../bench.ts';
import type { Link } from './link.ts';

/** What everybody who takes part is given. */
export interface ContestantSetup {
  /** The image that is moved. */
  readonly image: string;
  readonly link: Link;
  /** Called before the measured part of each run. */
  readonly prepare: () => Promise<void>;
  /** Called with what was received. */
  readonly check: (path: string) => Promise<void>;
  /** Of the contestant alone. */
  readonly directory: string;
  /** What is started once, for all runs, is closed with it. */
  readonly lifecycle: Lifecycle;
  readonly signal: AbortSignal;
}

export type Entry = { readonly contestants: readonly Contestant[] } | NotRun;
