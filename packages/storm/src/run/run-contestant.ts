import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '@quarry/content';
import { createLifecycle, errorCode } from '@quarry/runtime';
import type { Clock, Random } from '@quarry/runtime';
import type { Bound, Storm } from '@quarry/scenario';
import type { Attempt, AttemptAccount, Contestant, Stage } from '../contestant.ts';
import type { SourceImages } from '../source-images.ts';
import type { StormGlance } from '../storm-glance.ts';
import type { StormNetwork } from '../storm-network.ts';
import type { ContestantRecord, UnshelveRecord } from '../storm-record.ts';
import { expectedOf } from './expected.ts';
import { keepLogs } from './keep-logs.ts';
import { patienceOf } from './patience.ts';
import { playStorm } from './play-storm.ts';
import type { PlayedStorm } from './play-storm.ts';
import { quantile } from './quantile.ts';
import { sampleStorm } from './sample-storm.ts';
import type { Sampled } from './sample-storm.ts';
import { watchProcesses } from './watch-processes.ts';
import type { ProcessCosts } from './watch-processes.ts';

export interface ContestDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: StormNetwork;
  readonly images: SourceImages;
  readonly note: (line: string) => void;
  readonly progress: (line: string) => void;
}

export interface ContestOptions {
  readonly storm: Storm;
  readonly bound: Bound;
  /** Its own and empty; the caller removes it. */
  readonly directory: string;
  /** Where what its processes said is kept; undefined: nowhere. */
  readonly logs: string | undefined;
  readonly signal: AbortSignal;
}

/** One contestant's storm, from preparing to comparing. What fails in preparing rejects; what fails in the storm is in the record. */
export async function runContestant(
  contestant: Contestant,
  startGlance: (stage: Omit<Stage, 'glance'>) => Promise<StormGlance>,
  deps: ContestDeps,
  { storm, bound, directory, logs, signal }: ContestOptions,
): Promise<ContestantRecord> {
  const { clock, network, images } = deps;
  const lifecycle = createLifecycle();
  const own = join(directory, 'own');
  const received = join(directory, 'received');
  await Promise.all([mkdir(own, { recursive: true }), mkdir(received, { recursive: true })]);
  const fileOf = (index: number): string => join(received, String(index));
  try {
    await network.unshape({ signal });
    const { random, note } = deps;
    const place = { storm, network, images, directory: own, clock, random, lifecycle, signal, note };
    const glance = await startGlance(place);
    const attempt = await contestant.prepare({ ...place, glance });
    await network.shape({ signal });
    let finished = 0;
    const watch = await watchProcesses(storm.hosts.length, () => attempt.processes());
    const sampling = await sampleStorm({ clock, network, watch }, { finished: () => finished, signal });
    note(`${contestant.name}: the storm begins`);
    const played = await playStorm(
      storm,
      { clock, network, glance, attempt },
      {
        fileOf,
        patienceMs: patienceOf(storm),
        signal,
        onEnded(count) {
          finished = count;
          deps.progress(`${contestant.name}: ${count} of ${storm.unshelves.length} unshelves`);
        },
      },
    );
    await watch.look();
    const sampled = await sampling.stop();
    const costs = await watch.costs();
    const account = await accountOf(attempt, signal);
    await glance.setFailing(undefined, { signal });
    await lifecycle.close();
    note(`${contestant.name}: comparing ${finished} images with their sources, byte by byte`);
    const unshelves = await compare(contestant.name, storm, played, { images, fileOf, signal });
    return recordOf(contestant, { storm, bound, played, unshelves, sampled, costs, account });
  } finally {
    await lifecycle.close();
    if (logs !== undefined) await keepLogs(own, join(logs, contestant.name));
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function accountOf(
  attempt: Attempt,
  signal: AbortSignal,
): Promise<AttemptAccount & { readonly notes: readonly string[] }> {
  try {
    return { ...(await attempt.account({ signal })), notes: [] };
  } catch (error) {
    signal.throwIfAborted();
    return { notes: [`where bytes came from is not known: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

async function compare(
  name: string,
  storm: Storm,
  { unshelves }: PlayedStorm,
  how: { readonly images: SourceImages; readonly fileOf: (index: number) => string; readonly signal: AbortSignal },
): Promise<readonly UnshelveRecord[]> {
  const { images, fileOf, signal } = how;
  const expected = expectedOf(storm, name);
  const records: UnshelveRecord[] = [];
  for (const [index, { host, image, atMs, endedMs, failure }] of unshelves.entries()) {
    const said = { host, image, atSeconds: atMs / 1000, isExpected: expected.has(index) };
    if (endedMs === undefined) {
      records.push({ ...said, failure: failure ?? 'it did not end' });
      continue;
    }
    const wrongBytes = await images.countWrongBytes(image, fileOf(index), { signal }).catch((error: unknown) => {
      // who says that it has an image and has no file of it has all of it wrong
      if (errorCode(error) === 'ENOENT') return sizeOf(storm, image);
      throw error;
    });
    records.push({ ...said, endedSeconds: endedMs / 1000, wrongBytes });
    await rm(fileOf(index), { force: true });
  }
  return records;
}

interface Found {
  readonly storm: Storm;
  readonly bound: Bound;
  readonly played: PlayedStorm;
  readonly unshelves: readonly UnshelveRecord[];
  readonly sampled: Sampled;
  readonly costs: ProcessCosts;
  readonly account: AttemptAccount & { readonly notes: readonly string[] };
}

function recordOf({ name, about }: Contestant, found: Found): ContestantRecord {
  const { storm, bound, played, unshelves, sampled, costs, account } = found;
  const done = unshelves.filter(({ endedSeconds }) => endedSeconds !== undefined);
  const durations = done.map(({ atSeconds, endedSeconds = 0 }) => endedSeconds - atSeconds).toSorted((a, b) => a - b);
  const makespanSeconds = Math.max(0, ...done.map(({ endedSeconds = 0 }) => endedSeconds));
  const deliveredBytes = done.reduce((sum, { image }) => sum + sizeOf(storm, image), 0);
  return {
    name,
    about,
    ran: true,
    finished: done.length,
    expectedToFinish: unshelves.filter(({ isExpected }) => isExpected).length,
    makespanSeconds,
    ratio: makespanSeconds / (bound.boundMs / 1000),
    p50Seconds: quantile(durations, 0.5),
    p95Seconds: quantile(durations, 0.95),
    p99Seconds: quantile(durations, 0.99),
    originBytes: sampled.originBytes,
    uniqueBytes: bound.uniqueBytes,
    originAmplification: bound.uniqueBytes > 0 ? sampled.originBytes / bound.uniqueBytes : 0,
    wrongBytes: done.reduce((sum, { wrongBytes = 0 }) => sum + wrongBytes, 0),
    cpuSecondsPerGb: deliveredBytes > 0 ? costs.cpuSeconds / (deliveredBytes / 1e9) : 0,
    peakRssMiB: Math.max(0, ...costs.hosts.map(({ peakRssMiB }) => peakRssMiB)),
    meanPssMiB: costs.hosts.reduce((sum, { pssMiB }) => sum + pssMiB, 0) / Math.max(1, costs.hosts.length),
    cpuIdlePercent: sampled.cpuIdlePercent,
    unshelves,
    samples: sampled.samples,
    hosts: storm.hosts.map((host, i) => {
      const cost = costs.hosts[i] ?? { cpuSeconds: 0, peakRssMiB: 0, pssMiB: 0 };
      const sources = account.sources?.[i];
      return { name: host.name, zone: host.zone, ...cost, ...(sources && { sources }) };
    }),
    criticalPath: account.criticalPath ?? [],
    notes: [...played.notes, ...account.notes],
  };
}

function sizeOf(storm: Storm, image: number): number {
  return (storm.images[image]?.runs ?? []).reduce(
    (sum, { chunkCount }) => sum + chunkCount * limits.fixedChunkBytes,
    0,
  );
}
