import type { HostSources } from './contestant.ts';
import type { Calibration } from './storm-network.ts';

/** Everything that a run of the harness found; the report is drawn from it alone, and `--json` prints its summary. */
export interface StormRecord {
  readonly scenario: string;
  readonly about: string;
  readonly seed: number;
  readonly hosts: number;
  readonly zones: number;
  /** Of the node link. */
  readonly linkBytesPerSecond: number;
  readonly originBytesPerSecond: number;
  /** The operator's limit on what leaves the store; null: none. */
  readonly budgetBytesPerSecond: number | null;
  readonly imageBytes: { readonly count: number; readonly smallest: number; readonly largest: number };
  readonly glance: 'embedded' | 'real';
  /** T*, and which part of it is largest, in words. */
  readonly boundSeconds: number;
  readonly boundBy: string;
  readonly calibration: readonly Calibration[];
  /** What the simulator says of the same storm; undefined where it was not asked. */
  readonly simulated?: {
    readonly makespanSeconds: number;
    readonly p50Seconds: number;
    readonly p99Seconds: number;
    readonly originBytes: number;
  };
  readonly startedAt: string;
  readonly machine: {
    readonly cores: number;
    readonly memoryGiB: number;
    readonly kernel: string;
    readonly node: string;
  };
  readonly commit: string;
  /** What was typed, so that it can be typed again; undefined: not known. */
  readonly command?: string;
  readonly contestants: readonly ContestantRecord[];
}

/** One contestant's storm. Figures are absent where it did not run. */
export interface ContestantRecord {
  readonly name: string;
  readonly about: string;
  readonly ran: boolean;
  /** Why not, where it did not run. */
  readonly whyNot?: string;
  readonly finished: number;
  readonly expectedToFinish: number;
  readonly makespanSeconds: number;
  /** makespan ÷ T*. */
  readonly ratio: number;
  readonly p50Seconds: number;
  readonly p95Seconds: number;
  readonly p99Seconds: number;
  /** Payload that left the origin's link during the storm: the kernel's count without headers (66 bytes a segment). */
  readonly originBytes: number;
  /** What had to leave it once. */
  readonly uniqueBytes: number;
  readonly originAmplification: number;
  readonly wrongBytes: number;
  /** CPU of all its processes ÷ GB (1e9) of images delivered. */
  readonly cpuSecondsPerGb: number;
  /** Of the largest process on a host. */
  readonly peakRssMiB: number;
  /** Mean over hosts, at the samples' largest sum. */
  readonly meanPssMiB: number;
  /** Of the whole machine during the storm. Below 15 the machine was the limit. */
  readonly cpuIdlePercent: number;
  /** In the storm's order. */
  readonly unshelves: readonly UnshelveRecord[];
  /** Every half second or so. */
  readonly samples: readonly StormSample[];
  /** By host, in the storm's order. */
  readonly hosts: readonly HostRecord[];
  readonly criticalPath: readonly string[];
  /** Things that a reader should know: faults that mean nothing here, what could not be prepared. */
  readonly notes: readonly string[];
}

export interface UnshelveRecord {
  readonly host: number;
  readonly image: number;
  readonly atSeconds: number;
  /** Undefined: it did not end, or failed. */
  readonly endedSeconds?: number;
  readonly failure?: string;
  readonly isExpected: boolean;
  readonly wrongBytes?: number;
}

export interface StormSample {
  /** From the storm's start. */
  readonly seconds: number;
  /** Over the origin's link since the sample before, payload a second. */
  readonly originBytesPerSecond: number;
  /** Busy part of the machine, 0 to 100. */
  readonly cpuBusyPercent: number;
  readonly finished: number;
}

export interface HostRecord {
  readonly name: string;
  readonly zone: number;
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
  readonly pssMiB: number;
  readonly sources?: HostSources;
}

/** What `--json` prints; further fields may follow. */
export type StormSummary = Pick<StormRecord, 'scenario' | 'hosts' | 'boundSeconds'> & {
  readonly contestants: readonly Omit<
    ContestantRecord,
    'about' | 'unshelves' | 'samples' | 'hosts' | 'criticalPath' | 'notes'
  >[];
};
