import { createSeededRandom } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import type { HostSources } from '../../src/contestant.ts';
import type { ContestantRecord, HostRecord, StormRecord, StormSample, UnshelveRecord } from '../../src/storm-record.ts';

/** What a run might have found, so that the report can be drawn without one. */
export interface RecordShape {
  readonly hosts: number;
  /** In `--against`'s order; those that `makespans` does not know take as long as aria2. */
  readonly contestants: readonly string[];
  /** Not installed. */
  readonly notRun?: readonly string[];
  /** Arrivals over so many seconds, several for each host. */
  readonly arrivalSeconds?: number;
  /** Parts of unshelves that end, by contestant; 1 where not named. */
  readonly finishing?: Readonly<Record<string, number>>;
  readonly wrongBytes?: Readonly<Record<string, number>>;
  /** Mean idle part, by contestant; 45 where not named. */
  readonly idlePercent?: Readonly<Record<string, number>>;
  readonly budgetBytesPerSecond?: number;
  readonly originFactor?: number;
  readonly zones?: number;
  /** Sample length, seconds. */
  readonly everySeconds?: number;
}

const LINK = 2_500_000;
const IMAGE = 32 * 2 ** 20;
const BOUND = IMAGE / LINK;

/** Makespan ÷ T*, as measured before this was built; `each` is for those that send every host its own copy. */
const PACES: Readonly<Record<string, { readonly ratio: number; readonly each?: boolean; readonly copies: number }>> = {
  quarry: { ratio: 1.13, copies: 1.004 },
  aria2: { ratio: 2.57, copies: 3.3 },
  libtorrent: { ratio: 2.36, copies: 2.4 },
  direct: { ratio: 1.05, each: true, copies: 1 },
  'shared-file': { ratio: 1.07, each: true, copies: 1 },
  'rack-cache': { ratio: 11.2, copies: 4 },
};

export function plausibleRecord(shape: RecordShape): StormRecord {
  const random = createSeededRandom(11);
  const arrivalSeconds = shape.arrivalSeconds ?? 0;
  const zones = shape.zones ?? 4;
  return {
    scenario: arrivalSeconds > 0 ? 'morning' : 'same-image',
    about: 'All hosts unshelve the same image at the same moment.',
    seed: 11,
    hosts: shape.hosts,
    zones,
    linkBytesPerSecond: LINK,
    originBytesPerSecond: LINK * (shape.originFactor ?? 1),
    budgetBytesPerSecond: shape.budgetBytesPerSecond ?? null,
    imageBytes: {
      count: arrivalSeconds > 0 ? 24 : 1,
      smallest: arrivalSeconds > 0 ? IMAGE / 8 : IMAGE,
      largest: IMAGE,
    },
    glance: 'embedded',
    boundSeconds: boundOf(shape),
    boundBy: arrivalSeconds > 0 ? 'the last arrival' : 'the origin’s link',
    calibration: [
      { link: 'host-00 down', setBytesPerSecond: LINK, measuredBytesPerSecond: LINK * 0.987 },
      { link: 'host-00 up', setBytesPerSecond: LINK, measuredBytesPerSecond: LINK * 1.004 },
      { link: 'origin up', setBytesPerSecond: LINK * (shape.originFactor ?? 1), measuredBytesPerSecond: LINK * 0.991 },
    ],
    simulated: {
      makespanSeconds: boundOf(shape) * 1.09,
      p50Seconds: BOUND * (arrivalSeconds > 0 ? 0.43 : 1.05),
      p99Seconds: BOUND * (arrivalSeconds > 0 ? 0.71 : 1.08),
      originBytes: IMAGE,
    },
    startedAt: '2026-11-23T02:10:00.000Z',
    machine: { cores: 2, memoryGiB: 7.75, kernel: 'Linux 6.1.0', node: 'v24.21.0' },
    commit: '0123456789ab',
    command: `npm run storm -- --scenario same-image --hosts ${shape.hosts} --against ${shape.contestants.join(',')}`,
    contestants: [
      ...shape.contestants.map((name) => ranContestant(name, shape, random)),
      ...(shape.notRun ?? []).map((name) => notRun(name)),
    ],
  };
}

function ranContestant(name: string, shape: RecordShape, random: Random): ContestantRecord {
  const pace = PACES[name] ?? { ratio: 2.57, copies: 3 };
  const arrivalSeconds = shape.arrivalSeconds ?? 0;
  const unshelfCount = arrivalSeconds > 0 ? Math.ceil(shape.hosts * 7.5) : shape.hosts;
  const spreadOf = pace.each === true ? shape.hosts : 1;
  const slowest = BOUND * pace.ratio * spreadOf;
  const finishing = shape.finishing?.[name] ?? 1;
  const unshelves = Array.from({ length: unshelfCount }, (_, index): UnshelveRecord => {
    const atSeconds = arrivalSeconds * (index / unshelfCount) ** 1.3;
    const ended = random.next() <= finishing;
    const duration =
      slowest * (index === 0 ? 1 : 0.9 + 0.1 * random.next()) * (arrivalSeconds > 0 ? 0.1 + 0.6 * random.next() : 1);
    return {
      host: index % shape.hosts,
      image: 0,
      atSeconds,
      isExpected: true,
      ...(ended && finishing > 0
        ? { endedSeconds: atSeconds + duration, wrongBytes: 0 }
        : { failure: 'connection reset by peer <10.0.0.1>' }),
    };
  });
  const durations = unshelves
    .flatMap(({ endedSeconds, atSeconds }) => (endedSeconds === undefined ? [] : [endedSeconds - atSeconds]))
    .toSorted((a, b) => a - b);
  const ends = unshelves.flatMap(({ endedSeconds }) => (endedSeconds === undefined ? [] : [endedSeconds]));
  const makespanSeconds = Math.max(0, ...ends);
  const lastSeconds = ends.length === 0 ? 60 : Math.max(...ends);
  const copies = pace.each === true ? shape.hosts : pace.copies;
  const idlePercent = shape.idlePercent?.[name] ?? 45;
  const hosts = Array.from({ length: shape.hosts }, (_, index) => host(name, index, shape, random));
  return {
    name,
    about: name === 'quarry' ? 'one daemon on each host, one seeder beside the store' : 'as its manual tunes it',
    ran: true,
    finished: ends.length,
    expectedToFinish: unshelfCount,
    makespanSeconds,
    ratio: makespanSeconds / boundOf(shape),
    p50Seconds: at(durations, 0.5),
    p95Seconds: at(durations, 0.95),
    p99Seconds: at(durations, 0.99),
    originBytes: IMAGE * copies,
    uniqueBytes: IMAGE,
    originAmplification: copies,
    wrongBytes: shape.wrongBytes?.[name] ?? 0,
    cpuSecondsPerGb: 1.5 + random.next() * 6,
    peakRssMiB: Math.max(...hosts.map(({ peakRssMiB }) => peakRssMiB)),
    meanPssMiB: hosts.reduce((sum, { pssMiB }) => sum + pssMiB, 0) / hosts.length,
    cpuIdlePercent: idlePercent,
    unshelves,
    samples: samplesOf(lastSeconds, IMAGE * copies, ends, idlePercent, shape, random),
    hosts,
    criticalPath:
      name === 'quarry' && ends.length > 0
        ? [
            'host-03 was late by 3.1 s: it waited for piece 17 of pack 2 from host-11, whose disk wrote 8.1 MB/s.',
            'Of its 15.1 s it spent 13.4 s receiving, 0.9 s waiting for pieces that nobody had, 0.8 s writing.',
          ]
        : [],
    notes: finishing < 1 ? ['Killing a host means the end of its client: it is not started again.'] : [],
  };
}

function boundOf({ arrivalSeconds = 0 }: RecordShape): number {
  return arrivalSeconds > 0 ? arrivalSeconds : BOUND;
}

function notRun(name: string): ContestantRecord {
  return {
    ...ranContestant(name, { hosts: 1, contestants: [] }, createSeededRandom(1)),
    ran: false,
    whyNot: `${name} is not installed: run benchmarks/install-peers.sh`,
    unshelves: [],
    samples: [],
    hosts: [],
  };
}

function samplesOf(
  lastSeconds: number,
  originBytes: number,
  ends: readonly number[],
  idlePercent: number,
  shape: RecordShape,
  random: Random,
): readonly StormSample[] {
  const every = shape.everySeconds ?? 0.5;
  const link = LINK * (shape.originFactor ?? 1);
  let left = originBytes;
  return Array.from({ length: Math.ceil(lastSeconds / every) }, (_, index) => {
    const seconds = (index + 1) * every;
    const sent = Math.min(left, link * every * (0.88 + 0.08 * random.next()));
    left -= sent;
    return {
      seconds,
      originBytesPerSecond: sent / every,
      cpuBusyPercent: Math.min(100, Math.max(0, 100 - idlePercent + (random.next() - 0.5) * 30)),
      finished: ends.filter((end) => end <= seconds).length,
    };
  });
}

function host(contestant: string, index: number, shape: RecordShape, random: Random): HostRecord {
  const isDaemon = contestant === 'quarry';
  const pssMiB = isDaemon ? 58 + random.next() * 14 : 2 + random.next() * 12;
  const name = `host-${String(index).padStart(shape.hosts > 100 ? 3 : 2, '0')}`;
  return {
    name,
    zone: index % (shape.zones ?? 4),
    cpuSeconds: (isDaemon ? 1.2 : 0.2) * (0.7 + random.next() * 0.6),
    peakRssMiB: pssMiB * 1.7,
    pssMiB,
    ...(isDaemon ? { sources: sources(index, shape.hosts, random) } : {}),
  };
}

function sources(index: number, hosts: number, random: Random): HostSources {
  const local = index % 5 === 0 ? IMAGE * 0.3 : 0;
  const seeder = ((IMAGE - local) * (0.4 + random.next())) / hosts;
  const origin = index === 3 ? IMAGE * 0.004 : 0;
  const rest = Math.max(0, IMAGE - local - seeder - origin);
  const rack = rest * (0.3 + random.next() * 0.5);
  return { local, rack, peer: rest - rack, seeder: Math.min(seeder, IMAGE - local), origin };
}

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
