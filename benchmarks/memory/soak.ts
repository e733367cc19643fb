// Does a node that works for long keep its size? It receives an image from a seeder and gives it to another node at the same time, drops it, and begins
// again. Exit code 1 when its memory certainly grows, or files stay open.
import { randomBytes } from 'node:crypto';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import { isGrowing, trendOf } from '@quarry/storm';
import type { TimedSample } from '@quarry/storm';
import { createCluster } from '../../test/integration/support/cluster.ts';
import type { Cluster, Member } from '../../test/integration/support/cluster.ts';
import type { Bench, BenchOptions, Report } from '../bench.ts';
import { median } from '../bench.ts';
import { bundled } from './memory.ts';
import { countOpenFiles, readProcessMemory } from './process-memory.ts';

const DEFAULT_MINUTES = 10;
const MIN_MINUTES = 2;
const SAMPLE_MS = 2_000;
/** Of the time: buffers, compiled code and the heap reach their sizes in it. */
const WARM_UP = 1 / 3;
/** What is certainly more than this is called growing. */
const MAX_MIB_PER_HOUR = 32;
const MAX_BUSY_RSS_MIB = 250;
const MIB = 2 ** 20;

interface Sample {
  readonly atMs: number;
  readonly rssMiB: number;
  readonly pssMiB: number;
  readonly openFiles: number;
}

/** What is left when an image has been dropped: the same every time. */
interface Round {
  readonly endMs: number;
  readonly openFiles: number;
  readonly diskBytes: number;
}

export const soak: Bench = {
  about: 'a node that receives and serves without end: memory, open files and disk must stay (--minutes, --size)',
  parts: [],
  async run(options) {
    if ((options.minutes ?? DEFAULT_MINUTES) < MIN_MINUTES)
      throw new RangeError(`a soak of less than ${MIN_MINUTES} minutes tells nothing`);
    const cluster = await createCluster({ command: await bundled(options.directory), directory: options.directory });
    try {
      return await soakIn(cluster, options);
    } finally {
      await cluster.stop();
    }
  },
};

async function soakIn(cluster: Cluster, options: BenchOptions): Promise<Report> {
  const { sizeBytes, signal, tell, minutes = DEFAULT_MINUTES } = options;
  const image = join(cluster.root, 'disk.raw');
  await makeImage(image, sizeBytes);
  tell('seeding');
  const seeder = await cluster.startSeeder([image]);
  const flags = ['--bootstrap', seeder.address, '--trust', seeder.id];
  const [node, other] = await Promise.all([cluster.startNode('node', flags), cluster.startNode('other', flags)]);

  const startMs = systemClock.now();
  const endMs = startMs + minutes * 60_000;
  const samples: Sample[] = [];
  const rounds: Round[] = [];
  const stopSampling = new AbortController();
  const sampling = sampleUntil(node.process.pid, startMs, samples, AbortSignal.any([signal, stopSampling.signal]));
  try {
    while (systemClock.now() < endMs) {
      signal.throwIfAborted();
      await Promise.all([fetchAndDrop(node, signal), fetchAndDrop(other, signal)]);
      rounds.push({
        endMs: systemClock.now() - startMs,
        openFiles: countOpenFiles(node.process.pid),
        diskBytes: await diskBytes(node.directory),
      });
      tell(`round ${rounds.length}: ${samples.at(-1)?.rssMiB.toFixed(0)} MiB RSS`);
    }
  } finally {
    stopSampling.abort();
    await sampling;
  }
  const status = await node.client.status({ signal });
  const { sentBytes = 0 } = (status.swarm as { readonly bytes?: { readonly sentBytes?: number } }).bytes ?? {};
  return reportOf(samples, rounds, { sizeBytes, minutes, sentBytes });
}

async function fetchAndDrop({ client, directory }: Member, signal: AbortSignal): Promise<void> {
  const destination = join(directory, 'fetched.raw');
  await client.fetch({ image: 'disk.raw', destination, overwrite: true }, { signal });
  await rm(destination);
  await client.gc(0, { signal });
}

async function sampleUntil(pid: number, startMs: number, samples: Sample[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { rssBytes, pssBytes } = readProcessMemory(pid);
    const atMs = systemClock.now() - startMs;
    samples.push({ atMs, rssMiB: rssBytes / MIB, pssMiB: pssBytes / MIB, openFiles: countOpenFiles(pid) });
    await systemClock.sleep(SAMPLE_MS, { signal }).catch(() => {}); // the end is looked at above
  }
}

function reportOf(
  samples: readonly Sample[],
  rounds: readonly Round[],
  {
    sizeBytes,
    minutes,
    sentBytes,
  }: { readonly sizeBytes: number; readonly minutes: number; readonly sentBytes: number },
): Report {
  const fromMs = minutes * 60_000 * WARM_UP;
  const warm = samples.filter(({ atMs }) => atMs >= fromMs);
  const series = (pick: (sample: Sample) => number): TimedSample[] =>
    warm.map((sample) => ({ atMs: sample.atMs, value: pick(sample) }));
  const trend = trendOf(series(({ rssMiB }) => rssMiB));
  const [early, late] = [rounds.filter(({ endMs }) => endMs < fromMs), rounds.filter(({ endMs }) => endMs >= fromMs)];
  const most = (of: readonly Round[], pick: (round: Round) => number): number => Math.max(...of.map(pick));
  const leaks = [
    ...(isGrowing(trend, MAX_MIB_PER_HOUR) ? [`memory grows by ${trend.perHour.toFixed(0)} MiB an hour`] : []),
    ...complaint('open files', early, late, ({ openFiles }) => openFiles),
  ];
  const peakRssMiB = Math.max(...samples.map(({ rssMiB }) => rssMiB));
  const figures = {
    minutes,
    rounds: rounds.length,
    receivedGb: (rounds.length * sizeBytes) / 1e9,
    sentGb: sentBytes / 1e9,
    peakRssMiB,
    medianRssMiB: median(warm.map(({ rssMiB }) => rssMiB)),
    medianPssMiB: median(warm.map(({ pssMiB }) => pssMiB)),
    rssMiBPerHour: trend.perHour,
    rssMiBPerHourUncertainty: trend.uncertainty,
    openFilesEarly: most(early, ({ openFiles }) => openFiles),
    openFilesLate: most(late, ({ openFiles }) => openFiles),
    diskMiBEarly: most(early, (round) => round.diskBytes) / MIB,
    diskMiBLate: most(late, (round) => round.diskBytes) / MIB,
    isFlat: leaks.length === 0,
  };
  const one = (value: number): string => value.toFixed(1);
  return {
    figures: { ...figures, samples: samples.filter((_, i) => i % Math.ceil(samples.length / 100) === 0) },
    isGood: leaks.length === 0,
    text: [
      `${rounds.length} rounds in ${minutes} minutes: received ${one(figures.receivedGb)} GB, sent ${one(figures.sentGb)} GB`,
      `RSS: peak ${one(peakRssMiB)} MiB (${peakRssMiB <= MAX_BUSY_RSS_MIB ? 'within' : 'ABOVE'} ${MAX_BUSY_RSS_MIB}), median ${one(figures.medianRssMiB)}, PSS ${one(figures.medianPssMiB)}`,
      `RSS after ${one(fromMs / 60_000)} minutes: ${one(trend.perHour)} ± ${one(trend.uncertainty)} MiB an hour (95 %)`,
      `open files between rounds: ${figures.openFilesEarly} at first, ${figures.openFilesLate} later`,
      `disk between rounds: ${one(figures.diskMiBEarly)} MiB at first, ${one(figures.diskMiBLate)} later`,
      leaks.length === 0 ? 'flat' : `NOT FLAT: ${leaks.join('; ')}`,
    ].join('\n'),
  };
}

function complaint(
  what: string,
  early: readonly Round[],
  late: readonly Round[],
  pick: (round: Round) => number,
): string[] {
  // connections come and go: what must not be is that every late round has more than any early one had
  const [before, after] = [Math.max(...early.map(pick)), Math.min(...late.map(pick))];
  return after > before ? [`${what} went from ${before} to ${after}`] : [];
}

async function diskBytes(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined); // removed meanwhile
    bytes += (found?.blocks ?? 0) * 512;
  }
  return bytes;
}

/** A third random, a third compressible, a third zeros: plain pieces, frames and holes. */
async function makeImage(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w');
  const part = Math.floor(bytes / 3 / MIB) * MIB;
  try {
    for (let at = 0; at < part; at += MIB) {
      await file.write(randomBytes(MIB), 0, MIB, at);
      await file.write(
        Buffer.from(
          randomBytes(MIB / 4)
            .toString('hex')
            .repeat(2),
        ),
        0,
        MIB,
        part + at,
      );
    }
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}
