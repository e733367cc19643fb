import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { availableParallelism, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Clock, Lifecycle, Random } from '@quarry/runtime';
import { bindingPart, boundOf } from '@quarry/scenario';
import type { Bound, Storm } from '@quarry/scenario';
import { simulate } from '@quarry/simulator';
import type { Contestant, Stage } from '../contestant.ts';
import type { SourceImages } from '../source-images.ts';
import type { StormGlance } from '../storm-glance.ts';
import type { StormNetwork } from '../storm-network.ts';
import type { ContestantRecord, StormRecord } from '../storm-record.ts';
import { runContestant } from './run-contestant.ts';

export interface RunStormDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly lifecycle: Lifecycle;
  readonly note: (line: string) => void;
  readonly progress: (line: string) => void;
  readonly createNetwork: () => Promise<StormNetwork>;
  readonly makeImages: (directory: string) => Promise<SourceImages>;
  readonly startGlance: (stage: Omit<Stage, 'glance'>) => Promise<StormGlance>;
}

export interface RunStormOptions {
  readonly storm: Storm;
  readonly contestants: readonly Contestant[];
  /** Where everything is made; short, so that unix sockets fit. The caller removes it. */
  readonly directory: string;
  readonly glance: 'embedded' | 'real';
  /** Where what processes said is kept; undefined: nowhere. */
  readonly logs: string | undefined;
  readonly signal: AbortSignal;
}

/** Plays one storm with every contestant in turn, on one network, with the same images. @throws StormError, the signal's reason */
export async function runStorm(deps: RunStormDeps, options: RunStormOptions): Promise<StormRecord> {
  const { storm, directory, signal } = options;
  const { clock, random, note, progress } = deps;
  const startedAt = new Date(clock.wallMs()).toISOString();
  const bound = boundOf(storm);
  note('simulating the same storm');
  const simulated = await simulate(storm, { signal, checkInvariants: false });
  note(`making ${storm.images.length} images`);
  const images = await deps.makeImages(join(directory, 'images'));
  note(`making a network of ${storm.hosts.length} hosts`);
  const network = await deps.createNetwork();
  await network.shape({ signal });
  const calibration = await network.calibrate({ signal });
  for (const { link, setBytesPerSecond, measuredBytesPerSecond } of calibration)
    note(`${link}: ${(100 * (measuredBytesPerSecond / setBytesPerSecond - 1)).toFixed(1)} % off its rate`);
  const contestants: ContestantRecord[] = [];
  for (const [i, contestant] of options.contestants.entries()) {
    const why = await contestant.whyNot(storm, { signal });
    if (why !== undefined) {
      contestants.push(didNotRun(contestant, storm, bound, why));
      continue;
    }
    const own = join(directory, `c${i}`);
    await mkdir(own);
    note(`${contestant.name}: preparing`);
    const contest = { clock, random, network, images, note, progress };
    contestants.push(
      await runContestant(contestant, deps.startGlance, contest, {
        storm,
        bound,
        directory: own,
        logs: options.logs,
        signal,
      }),
    );
  }
  const sizes = images.files.map(({ sizeBytes }) => sizeBytes);
  return {
    scenario: storm.name,
    about: storm.about,
    seed: storm.seed,
    hosts: storm.hosts.length,
    zones: storm.zones.length,
    linkBytesPerSecond: Math.max(...storm.hosts.map(({ downBytesPerSecond }) => downBytesPerSecond)),
    originBytesPerSecond: storm.origin.bytesPerSecond,
    budgetBytesPerSecond: storm.origin.budgetBytesPerSecond < Infinity ? storm.origin.budgetBytesPerSecond : null,
    imageBytes: { count: sizes.length, smallest: Math.min(...sizes), largest: Math.max(...sizes) },
    glance: options.glance,
    boundSeconds: bound.boundMs / 1000,
    boundBy: bindingPart(bound),
    calibration,
    simulated: {
      makespanSeconds: simulated.report.makespanSeconds,
      p50Seconds: simulated.report.p50Seconds,
      p99Seconds: simulated.report.p99Seconds,
      originBytes: simulated.report.originBytes,
    },
    startedAt,
    machine: {
      cores: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      node: process.version,
    },
    commit: commit(),
    contestants,
  };
}

function didNotRun({ name, about }: Contestant, storm: Storm, bound: Bound, whyNot: string): ContestantRecord {
  const figures = {
    finished: 0,
    expectedToFinish: storm.unshelves.length,
    makespanSeconds: 0,
    ratio: 0,
    p50Seconds: 0,
    p95Seconds: 0,
    p99Seconds: 0,
    originBytes: 0,
    uniqueBytes: bound.uniqueBytes,
    originAmplification: 0,
    wrongBytes: 0,
    cpuSecondsPerGb: 0,
    peakRssMiB: 0,
    meanPssMiB: 0,
    cpuIdlePercent: 0,
  };
  return {
    name,
    about,
    ran: false,
    whyNot,
    ...figures,
    unshelves: [],
    samples: [],
    hosts: [],
    criticalPath: [],
    notes: [],
  };
}

/** Of the checkout that runs; "unknown" outside of one. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    return 'unknown';
  }
}
