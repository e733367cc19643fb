// What a benchmark is, and how its figures are put together. Runs are interleaved and the median counts: this kind of machine is shared, and only what
// was measured side by side can be compared.

export interface BenchOptions {
  readonly sizeBytes: number;
  readonly runs: number;
  /** Everything is made and removed in here: one file system for all contestants. */
  readonly directory: string;
  /** Names of parts that are run alone; empty: all. */
  readonly only: readonly string[];
  readonly signal: AbortSignal;
  /** For a person to see that something happens; goes to standard error. */
  readonly tell: (line: string) => void;
}

export interface Bench {
  readonly about: string;
  run(options: BenchOptions): Promise<Report>;
}

export interface Report {
  /** A table, for people. */
  readonly text: string;
  /** For --json. */
  readonly figures: object;
}

/** One run of one contestant. */
export interface Sample {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Undefined where the contestant is not a process of ours. */
  readonly peakRssMiB?: number | undefined;
}

export interface Result {
  readonly name: string;
  /** 10^6 bytes of the image per second. */
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGb: number;
  readonly peakRssMiB?: number | undefined;
}

export interface Measurements {
  readonly results: readonly Result[];
  /** Median speed of ours over that of what it is measured against, both of this run. */
  readonly ratios: Readonly<Record<string, number>>;
}

export interface Contestant {
  readonly name: string;
  run(): Promise<Sample>;
}

/** Lets each contestant run once per round, in an order that turns by one each time. */
export async function interleaved(
  contestants: readonly Contestant[],
  options: BenchOptions,
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const samples = new Map<string, Sample[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < options.runs; round += 1) {
    for (let turn = 0; turn < contestants.length; turn += 1) {
      options.signal.throwIfAborted();
      const contestant = contestants[(round + turn) % contestants.length] as Contestant;
      const sample = await contestant.run();
      samples.get(contestant.name)?.push(sample);
      options.tell(`round ${round + 1} of ${options.runs}: ${contestant.name} took ${sample.seconds.toFixed(2)} s`);
    }
  }
  return samples;
}

export function resultOf(name: string, samples: readonly Sample[], bytes: number): Result {
  const peaks = samples.flatMap(({ peakRssMiB }) => (peakRssMiB === undefined ? [] : [peakRssMiB]));
  return {
    name,
    mbPerSecond: rounded(bytes / 1e6 / median(samples.map(({ seconds }) => seconds))),
    cpuSecondsPerGb: rounded(median(samples.map(({ cpuSeconds }) => cpuSeconds)) / (bytes / 1e9)),
    ...(peaks.length > 0 && { peakRssMiB: Math.round(Math.max(...peaks)) }),
  };
}

export function ratio(ours: Result, theirs: Result): number {
  return rounded(ours.mbPerSecond / theirs.mbPerSecond);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Figures of contestants as a report. */
export function reportOf(measurements: Measurements): Report {
  return { text: tableOf(measurements), figures: measurements };
}

function tableOf({ results, ratios }: Measurements): string {
  const rows = [
    ['', 'MB/s', 'CPU s/GB', 'peak RSS MiB'],
    ...results.map((result) => [
      result.name,
      result.mbPerSecond.toFixed(0),
      result.cpuSecondsPerGb.toFixed(2),
      result.peakRssMiB?.toFixed(0) ?? '',
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  const shares = Object.entries(ratios).map(([name, value]) => `${name}: ${value.toFixed(2)}`);
  return [...lines, '', ...shares].join('\n');
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
