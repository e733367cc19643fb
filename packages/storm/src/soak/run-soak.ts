import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createLifecycle, createSeededRandom, formatDuration } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import { expandScenario, scenarioFrom } from '@quarry/scenario';
import type { Storm } from '@quarry/scenario';
import type { Stage } from '../contestant.ts';
import { awaitCluster } from '../quarry/await-cluster.ts';
import { makeDaemonBundle } from '../quarry/make-bundle.ts';
import { startCluster } from '../quarry/start-cluster.ts';
import type { SourceImages } from '../source-images.ts';
import { StormError } from '../storm-error.ts';
import type { StormGlance } from '../storm-glance.ts';
import type { StormNetwork } from '../storm-network.ts';
import { playSoak } from './play-soak.ts';
import type { PlayedSoak } from './play-soak.ts';
import { createSoakHands } from './soak-hands.ts';
import type { SoakReport } from './soak-report.ts';
import { judgeSoak } from './soak-verdict.ts';
import { watchSoak } from './watch-soak.ts';

/** As `runStorm` takes them. */
export interface RunSoakDeps {
  readonly clock: Clock;
  readonly note: (line: string) => void;
  readonly progress: (line: string) => void;
  readonly createNetwork: () => Promise<StormNetwork>;
  readonly makeImages: (directory: string) => Promise<SourceImages>;
  readonly startGlance: (stage: Omit<Stage, 'glance'>) => Promise<StormGlance>;
}

export interface RunSoakOptions {
  /** Of `soakStorm`. */
  readonly storm: Storm;
  readonly durationMs: number;
  /** Where everything is made; short, so that unix sockets fit. The caller removes it. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** A bundle's `quarry.mjs` to run instead of one that is made. */
  readonly bundle?: string;
}

const INSTANCES_PER_HOST = 2;
/** Steps under way at once, at most: two cores carry no more. */
const MOST_AT_ONCE = 4;
/** So many samples of each daemon, in a soak of whatever length; */
const SAMPLES = 600;
/** but not more often, nor less. */
const LEAST_EVERY_MS = 2000;
const MOST_EVERY_MS = 15_000;

/** The network and the one image of a soak: hosts that are alike, and a seeder. */
export function soakStorm(options: {
  readonly hosts: number;
  readonly linkBytesPerSecond: number;
  /** In whole MiB. */
  readonly imageMiB: number;
  readonly seed: number;
}): Storm {
  const lines = [
    'about = "Hours of shelves, unshelves, deletions and restarts."',
    '[hosts]',
    `count = ${options.hosts}`,
    `link = "${Math.round(options.linkBytesPerSecond * 8)}bit/s"`,
    '[origin]',
    'rate = "2x"',
    '[[images]]',
    'name = "base"',
    `size = "${options.imageMiB}MiB"`,
    '[[unshelves]]',
    'images = "base"',
  ];
  return expandScenario(scenarioFrom(lines.join('\n'), 'soak'), { seed: options.seed });
}

/**
 * Hours of what hosts do, on one network: instances boot, are shelved, unshelved elsewhere and deleted by chance, half of the daemons are restarted now and
 * then, cleanly or with SIGKILL, and what every daemon takes is looked at all the while.
 * @throws StormError where it cannot begin; the signal's reason
 */
export async function runSoak(deps: RunSoakDeps, options: RunSoakOptions): Promise<SoakReport> {
  const { clock, note } = deps;
  const { storm, directory, durationMs, signal } = options;
  const lifecycle = createLifecycle();
  const own = join(directory, 'soak');
  const disks = join(directory, 'disks');
  await Promise.all([mkdir(own, { recursive: true }), mkdir(disks, { recursive: true })]);
  try {
    note(`making an image and a network of ${storm.hosts.length} hosts`);
    const images = await deps.makeImages(join(directory, 'images'));
    const [base] = images.files;
    if (!base) throw new StormError('STORM_BAD_ARGUMENT', 'a soak needs the one image that its storm has');
    const network = await deps.createNetwork();
    const random = createSeededRandom(storm.seed);
    const place = { storm, network, images, directory: own, clock, random, lifecycle, signal, note };
    const stage: Stage = { ...place, glance: await deps.startGlance(place) };
    const script = options.bundle ?? (await makeDaemonBundle(join(own, 'bundle'), { isLiar: false, signal }));
    const seeded = [stage.glance.id(0)].filter((id) => id !== undefined);
    const cluster = await startCluster(stage, {
      script,
      liarScript: script,
      lies: new Map(),
      seeders: 1,
      lender: undefined,
      seeded,
      signal,
    });
    await awaitCluster(stage, [...cluster.seeders, ...cluster.nodes.filter((node) => node !== undefined)], { signal });
    await network.shape({ signal });

    const deaths = createDeathWatch();
    const labelOf = ({ host, name }: { host: number | undefined; name: string }): string =>
      host === undefined ? name : (storm.hosts[host]?.name ?? name);
    for (const [host, node] of cluster.nodes.entries()) if (node) deaths.watch(labelOf({ host, name: '' }), node);
    for (const seeder of cluster.seeders) deaths.watch('seeder', seeder);
    const watch = watchSoak(deps, {
      everyMs: Math.min(MOST_EVERY_MS, Math.max(LEAST_EVERY_MS, durationMs / SAMPLES)),
      processes: () => cluster.processes().map((watched) => ({ ...watched, label: labelOf(watched) })),
      disks: cluster.nodes.flatMap((node, host) =>
        node ? [{ name: labelOf({ host, name: '' }), directory: node.directory }] : [],
      ),
    });
    const hands = createSoakHands({
      clock,
      network,
      glance: stage.glance,
      base,
      directory: disks,
      seed: storm.seed,
      cluster: {
        nodes: cluster.nodes,
        async startNode(host, waiting) {
          const node = await cluster.startNode(host, waiting);
          deaths.watch(labelOf({ host, name: '' }), node);
          return node;
        },
      },
      onEnding: deaths.expect,
    });
    const hosts = storm.hosts.length;
    note(`the soak begins, for ${formatDuration(durationMs)}`);
    let played: PlayedSoak;
    try {
      played = await playSoak(
        { clock, random, hands },
        {
          hosts,
          instances: INSTANCES_PER_HOST * hosts,
          restartable: Array.from({ length: Math.floor(hosts / 2) }, (_, i) => hosts - 1 - i),
          concurrent: Math.min(MOST_AT_ONCE, hosts),
          durationMs,
          signal,
          onStep: ({ done, failures, seconds }) =>
            deps.progress(
              `soak: ${formatDuration(seconds * 1000)} of ${formatDuration(durationMs)}, ${done.shelve} shelves, ${done.unshelve} unshelves, ${done.restart} restarts, ${failures.length} failures`,
            ),
        },
      );
    } finally {
      await watch.stop();
    }
    const verdicts = judgeSoak(watch.series());
    const died = deaths.unexpected();
    return {
      hosts,
      seed: storm.seed,
      ...played,
      verdicts,
      deaths: died,
      isGood:
        played.failures.length === 0 &&
        played.wrongBytes === 0 &&
        died.length === 0 &&
        verdicts.every(({ verdict }) => verdict !== 'grows'),
    };
  } finally {
    await lifecycle.close();
    await rm(own, { recursive: true, force: true, maxRetries: 3 });
    await rm(disks, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface DeathWatch {
  watch(label: string, daemon: { readonly pid: number; readonly ended: Promise<string> }): void;
  /** That one is to end. */
  readonly expect: (pid: number) => void;
  unexpected(): readonly string[];
}

function createDeathWatch(): DeathWatch {
  const expected = new Set<number>();
  const found: string[] = [];
  return {
    watch(label, { pid, ended }) {
      void ended.then((how) => {
        if (!expected.has(pid)) found.push(`the daemon of ${label} ended ${how}`);
      });
    },
    expect: (pid) => void expected.add(pid),
    unexpected: () => [...found],
  };
}
