import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createSemaphore } from '@quarry/runtime';
import type { Stage, WatchedProcess } from '../contestant.ts';
import { StormError } from '../storm-error.ts';
import type { Place, Waiting } from '../storm-network.ts';
import { nodeWords, seederWords } from './node-flags.ts';
import type { ClusterPlan } from './node-flags.ts';
import { startDaemon } from './start-daemon.ts';
import type { RunningDaemon } from './start-daemon.ts';

/** The daemons of a storm. */
export interface Cluster {
  /** By host; undefined: dead. */
  readonly nodes: (RunningDaemon | undefined)[];
  readonly seeders: RunningDaemon[];
  /** All that have ever run, by name. */
  readonly members: ReadonlyMap<string, ClusterMember>;
  processes(): readonly WatchedProcess[];
  /** Starts a host's daemon, once more if need be: it has its data directory. Resolves when it is ready. */
  startNode(host: number, options: Waiting): Promise<RunningDaemon>;
}

export interface ClusterMember {
  readonly daemon: RunningDaemon;
  /** Undefined: a seeder. */
  readonly host: number | undefined;
}

export interface ClusterOptions extends Waiting {
  /** The file to run, of honest hosts and seeders, and of liars. */
  readonly script: string;
  readonly liarScript: string;
  /** How hosts lie, by number. */
  readonly lies: ReadonlyMap<number, string>;
  readonly seeders: number;
  /** Ids of images that seeders seed. */
  readonly seeded: readonly string[];
  /** A host that lends images for the preparation: who reads a part of one must take its word for the rest, so all are told to trust it. */
  readonly lender: number | undefined;
}

/** Starting one takes half a second of a core. */
const STARTING_AT_ONCE = 4;
/** Hosts that meet others through the first hosts, where there are no seeders. */
const MEETING_POINTS = 2;

/**
 * Starts seeders, which have then seeded, and a node on every host. All end with the stage.
 * @throws StormError STORM_PART_FAILED
 */
export async function startCluster(stage: Stage, options: ClusterOptions): Promise<Cluster> {
  const { storm, network, glance, directory, clock } = stage;
  const plan: ClusterPlan = {
    storm,
    glanceUrl: glance.url,
    storeDirectory: glance.storeDirectory,
    keyFile: join(directory, 'cluster.key'),
    tokenFile: join(directory, 'token'),
  };
  await writeFile(plan.tokenFile, glance.token, { mode: 0o600 });
  await promisify(execFile)(process.execPath, [options.script, 'key', plan.keyFile], { signal: options.signal });

  const nodes: (RunningDaemon | undefined)[] = storm.hosts.map(() => undefined);
  const seeders: RunningDaemon[] = [];
  const members = new Map<string, ClusterMember>();
  const alive = new Map<number, WatchedProcess & { readonly ended: Promise<string> }>();
  stage.lifecycle.onClose('the daemons', async () => {
    const all = [...alive.values()];
    for (const { pid } of all) killIfThere(pid);
    await Promise.all(all.map(({ ended }) => ended));
  });
  const start = async (
    what: { readonly name: string; readonly place: Place; readonly host: number | undefined },
    wordsIn: (place: { readonly directory: string; readonly address: string }) => readonly string[],
    waiting: Waiting,
    lie?: string,
  ): Promise<RunningDaemon> => {
    const own = join(directory, what.name);
    await mkdir(own, { recursive: true, mode: 0o700 });
    const daemon = await startDaemon(
      { clock },
      {
        ...what,
        script: lie === undefined ? options.script : options.liarScript,
        ...(lie === undefined ? {} : { environment: { QUARRY_LIE: lie } }),
        directory: own,
        words: wordsIn({ directory: own, address: what.place.address }),
        onStarted({ pid, ended }) {
          alive.set(pid, { pid, ended, host: what.host, name: what.host === undefined ? 'seeder' : 'node' });
          void ended.then(() => alive.delete(pid));
        },
      },
      waiting,
    );
    members.set(what.name, { daemon, host: what.host });
    return daemon;
  };
  const bootstrap = (): readonly string[] =>
    [...seeders, ...nodes.filter((node) => node !== undefined).slice(0, MEETING_POINTS)].map(({ address }) => address);
  const publishers = (): readonly string[] => {
    const lender = options.lender === undefined ? undefined : nodes[options.lender];
    return [...seeders, ...(lender ? [lender] : [])].map(({ nodeId }) => nodeId);
  };
  const startNode: Cluster['startNode'] = async (host, waiting) => {
    const place = network.hosts[host];
    if (!place) throw new TypeError(`the storm has no host ${host}`);
    const isAmongOthers = { bootstrap: bootstrap(), publishers: publishers() };
    const node = await start(
      { name: `n${host}`, place, host },
      (at) => nodeWords(plan, { host, ...at, ...isAmongOthers }),
      waiting,
      options.lies.get(host),
    );
    nodes[host] = node;
    return node;
  };

  for (let index = 0; index < options.seeders; index += 1) {
    const seeder = await start(
      { name: `s${index}`, place: network.origin, host: undefined },
      (at) => seederWords(plan, { index, images: options.seeded, bootstrap: bootstrap(), ...at }),
      options,
    );
    seeders.push(seeder);
  }
  const seeding = Promise.all(seeders.map((seeder) => hasSeeded(seeder, options)));
  seeding.catch(() => {}); // heard below
  const slots = createSemaphore(STARTING_AT_ONCE);
  let started = 0;
  const startOne = async (host: number): Promise<void> => {
    await startNode(host, options);
    started += 1;
    if (started % 20 === 0 || started === nodes.length) stage.note(`${started} of ${nodes.length} nodes have started`);
  };
  if (options.lender !== undefined) await startOne(options.lender);
  if (seeders.length === 0)
    for (const host of nodes
      .keys()
      .filter((each) => nodes[each] === undefined)
      .take(MEETING_POINTS))
      await startOne(host);
  const others = [...nodes.keys()].filter((host) => nodes[host] === undefined);
  await Promise.all(others.map((host) => slots.run(() => startOne(host), options)));
  await seeding;
  return {
    nodes,
    seeders,
    members,
    startNode,
    processes: () => [...alive.values()].map(({ pid, host, name }) => ({ pid, host, name })),
  };
}

async function hasSeeded(seeder: RunningDaemon, options: Waiting): Promise<void> {
  const { failures } = await seeder.said('images', options);
  if (Array.isArray(failures) && failures.length > 0)
    throw new StormError('STORM_PART_FAILED', `${seeder.name} could not seed: ${JSON.stringify(failures)}`);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has just ended
  }
}
