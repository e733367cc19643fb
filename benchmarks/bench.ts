// What a benchmark is, and how its figures are put together. Runs are interleaved and the median counts: this kind of machine is shared, and only what
// was measured side by side can be compared.

export interface BenchOptions {
  readonly sizeBytes: number;
  readonly runs: number;
  /** Everything is made and removed in here: one file system for all contestants. */
  readonly directory: string;
  /** Names of parts that are run alone; empty: all. */
  readonly only: readonly string[];
  /** How long a benchmark lasts that is measured by time; undefined: as long as it thinks right. */
  readonly minutes?: number | undefined;
  readonly signal: AbortSignal;
  /** For a person to see that something happens; goes to standard error. */
  readonly tell: (line: string) => void;
}

export interface Bench {
  readonly about: string;
  /** What `--only` may name; none where the benchmark looks after that itself. */
  readonly parts?: readonly string[];
  run(options: BenchOptions): Promise<Report>;
}

export interface Report {
  /** A table, for people. */
  readonly text: string;
  /** For the line of JSON. */
  readonly figures: object;
  /** False: what was looked for was found, and the command ends with exit code 1. */
  readonly isGood?: boolean;
}

/** One run of one contestant. */
export interface Sample {
  readonly seconds: number;
  /** Of who receives; of the one process there is, where nobody sends. */
  readonly cpuSeconds: number;
  readonly peakRssMiB?: number | undefined;
  /** Of all who send, together. */
  readonly senderCpuSeconds?: number | undefined;
  /** Of the largest of them. */
  readonly senderPeakRssMiB?: number | undefined;
  /** What went over the link from the sender, as the kernel counts it (headers once per large segment), where the link is ours to ask. */
  readonly wireBytes?: number | undefined;
  /** What the packs of a store take of the disk. */
  readonly storedBytes?: number | undefined;
  /** What the same run shows beyond that, under names that are put behind the contestant's. */
  readonly further?: Readonly<Record<string, Sample>> | undefined;
}

export interface Result {
  readonly name: string;
  /** 10^6 bytes of the image (of the messages, of what is hashed) per second: never bytes on the wire. */
  readonly mbPerSecond?: number | undefined;
  readonly senderCpuSecondsPerGb?: number | undefined;
  readonly receiverCpuSecondsPerGb?: number | undefined;
  /** Of the receiver, or of the one process there is; the largest of all runs. */
  readonly peakRssMiB?: number | undefined;
  readonly senderPeakRssMiB?: number | undefined;
  readonly wireBytesPerImageByte?: number | undefined;
  readonly storedBytesPerImageByte?: number | undefined;
  /** Where something other than bytes is counted. */
  readonly perSecond?: number | undefined;
  /** Where one thing is timed. */
  readonly seconds?: number | undefined;
}

export interface NotRun {
  readonly name: string;
  readonly why: string;
}

export interface Measurements {
  readonly results: readonly Result[];
  /** Median speed of ours over that of what it is measured against, both of this run, both in bytes of the image. */
  readonly ratios: Readonly<Record<string, number>>;
  /** What could have been measured here, and why it was not. */
  readonly notRun: readonly NotRun[];
  /** Of the contents: how compressible, how much of it zeros. */
  readonly facts?: Readonly<Record<string, number>> | undefined;
}

export interface Contestant {
  readonly name: string;
  run(): Promise<Sample>;
}

/** Lets each contestant run once per round, in an order that turns by one each time. By name of the row, `further` ones among them. */
export async function interleaved(
  contestants: readonly Contestant[],
  options: BenchOptions,
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const samples = new Map<string, Sample[]>(contestants.map(({ name }) => [name, []]));
  const keep = (name: string, sample: Sample): void => {
    samples.set(name, [...(samples.get(name) ?? []), sample]);
    for (const [suffix, further] of Object.entries(sample.further ?? {})) keep(`${name}${suffix}`, further);
  };
  for (let round = 0; round < options.runs; round += 1) {
    for (let turn = 0; turn < contestants.length; turn += 1) {
      options.signal.throwIfAborted();
      const contestant = contestants[(round + turn) % contestants.length] as Contestant;
      const sample = await contestant.run();
      keep(contestant.name, sample);
      options.tell(`round ${round + 1} of ${options.runs}: ${contestant.name} took ${sample.seconds.toFixed(2)} s`);
    }
  }
  return samples;
}

/** Medians, and the largest memory. `bytes`: of the image. */
export function resultOf(name: string, samples: readonly Sample[], bytes: number): Result {
  const each = (pick: (sample: Sample) => number | undefined): readonly number[] =>
    samples.flatMap((sample) => pick(sample) ?? []);
  const gb = bytes / 1e9;
  const senderCpu = each(({ senderCpuSeconds }) => senderCpuSeconds);
  const peaks = each(({ peakRssMiB }) => peakRssMiB);
  const senderPeaks = each(({ senderPeakRssMiB }) => senderPeakRssMiB);
  const wire = each(({ wireBytes }) => wireBytes);
  const stored = each(({ storedBytes }) => storedBytes);
  return {
    name,
    mbPerSecond: rounded((gb * 1000) / median(each(({ seconds }) => seconds))),
    ...(senderCpu.length > 0 && { senderCpuSecondsPerGb: rounded(median(senderCpu) / gb) }),
    receiverCpuSecondsPerGb: rounded(median(each(({ cpuSeconds }) => cpuSeconds)) / gb),
    ...(peaks.length > 0 && { peakRssMiB: Math.round(Math.max(...peaks)) }),
    ...(senderPeaks.length > 0 && { senderPeakRssMiB: Math.round(Math.max(...senderPeaks)) }),
    ...(wire.length > 0 && { wireBytesPerImageByte: rounded(median(wire) / bytes) }),
    ...(stored.length > 0 && { storedBytesPerImageByte: rounded(median(stored) / bytes) }),
  };
}

/** A row per contestant, then the `further` ones. */
export function resultsOf(samples: ReadonlyMap<string, readonly Sample[]>, bytes: number): readonly Result[] {
  return [...samples].map(([name, ofOne]) => resultOf(name, ofOne, bytes));
}

export function ratio(ours: Result | undefined, theirs: Result | undefined): number {
  return rounded((ours?.mbPerSecond ?? Number.NaN) / (theirs?.mbPerSecond ?? Number.NaN));
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

/** Of several parts as one. */
export function merged(parts: readonly Measurements[]): Measurements {
  return {
    results: parts.flatMap(({ results }) => results),
    ratios: Object.assign({}, ...parts.map(({ ratios }) => ratios)) as Record<string, number>,
    notRun: parts.flatMap(({ notRun }) => notRun),
    facts: Object.assign({}, ...parts.map(({ facts }) => facts)) as Record<string, number>,
  };
}

const columns: readonly (readonly [header: string, key: Exclude<keyof Result, 'name'>, digits: number])[] = [
  ['MB/s', 'mbPerSecond', 0],
  ['per s', 'perSecond', 0],
  ['s', 'seconds', 3],
  ['sender CPU s/GB', 'senderCpuSecondsPerGb', 2],
  ['CPU s/GB', 'receiverCpuSecondsPerGb', 2],
  ['sender RSS MiB', 'senderPeakRssMiB', 0],
  ['peak RSS MiB', 'peakRssMiB', 0],
  ['wire / image', 'wireBytesPerImageByte', 3],
  ['stored / image', 'storedBytesPerImageByte', 3],
];

function tableOf({ results, ratios, notRun, facts = {} }: Measurements): string {
  const shown = columns.filter(([, key]) => results.some((result) => result[key] !== undefined));
  const rows = [
    ['', ...shown.map(([header]) => header)],
    ...results.map((result) => [result.name, ...shown.map(([, key, digits]) => result[key]?.toFixed(digits) ?? '')]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  const pairs = (values: Readonly<Record<string, number>>): string[] =>
    Object.entries(values).map(([name, value]) => `${name}: ${Number.isInteger(value) ? value : value.toFixed(2)}`);
  const paragraphs = [
    lines,
    Object.keys(ratios).length > 0 ? ['Ratios, in bytes of the image:', ...pairs(ratios)] : [],
    pairs(facts),
    notRun.map(({ name, why }) => `not run: ${name}: ${why}`),
  ];
  return paragraphs
    .filter((paragraph) => paragraph.length > 0)
    .map((paragraph) => paragraph.join('\n'))
    .join('\n\n');
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
