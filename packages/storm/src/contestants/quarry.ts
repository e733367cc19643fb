import { join } from 'node:path';
import type { Storm, StormFault } from '@quarry/scenario';
import type { Attempt, Contestant, Stage } from '../contestant.ts';
import { accountOf, createStormWatch } from '../quarry/account-of.ts';
import { awaitCluster } from '../quarry/await-cluster.ts';
import { bringHoldings, shelveImage } from '../quarry/bring-holdings.ts';
import { curl } from '../quarry/curl.ts';
import { unshelveWords } from '../quarry/facade-calls.ts';
import { inflictFault } from '../quarry/inflict-fault.ts';
import { makeDaemonBundle } from '../quarry/make-bundle.ts';
import { planHoldings } from '../quarry/plan-holdings.ts';
import type { HoldingsPlan } from '../quarry/plan-holdings.ts';
import { startCluster } from '../quarry/start-cluster.ts';
import { makeWarmUpImages, warmUp } from '../quarry/warm-up.ts';
import { StormError } from '../storm-error.ts';
import type { Waiting } from '../storm-network.ts';

export interface QuarryOptions {
  /** A bundle's `quarry.mjs` to run instead of one that is made. Liars are always made. */
  readonly bundle?: string;
}

/** Logs of pieces are written a fifth of a second later, or when a busy daemon comes to it. */
const LOGS_WRITTEN_MS = 1500;

/** Real daemons as hosts run them: a node with a façade in every host's namespace, seeders next to the store. */
export function createQuarry(options: QuarryOptions = {}): Contestant {
  return {
    name: 'quarry',
    about:
      'a node with a façade on every host, run as deploy/systemd does, and seeders that read Glance’s store by path',
    whyNot: async () => undefined,
    prepare: (stage) => prepare(stage, options),
  };
}

async function prepare(stage: Stage, options: QuarryOptions): Promise<Attempt> {
  const { storm, network, glance, clock, directory, signal, note } = stage;
  const startedMs = clock.now();
  const seconds = (): string => `${((clock.now() - startedMs) / 1000).toFixed(0)} s`;
  const lies = liesOf(storm);
  const script = options.bundle ?? (await makeDaemonBundle(join(directory, 'bundle'), { isLiar: false, signal }));
  const liarScript =
    lies.size === 0 ? script : await makeDaemonBundle(join(directory, 'liar'), { isLiar: true, signal });
  const plan = planHoldings(storm);
  // one that is there for the preparation only, where the storm has none
  const isSeederLent = storm.origin.seeders === 0 && needsSeeder(plan);
  const warmUpImages = await makeWarmUpImages(stage);
  const cluster = await startCluster(stage, {
    script,
    liarScript,
    lies,
    signal,
    seeders: isSeederLent ? 1 : storm.origin.seeders,
    lender: plan.loan?.host,
    seeded: [...seededImages(storm, plan).flatMap((image) => glance.id(image) ?? []), ...warmUpImages],
  });
  const everybody = () => [...cluster.seeders, ...cluster.nodes.filter((node) => node !== undefined)];
  await awaitCluster(stage, everybody(), { signal });
  note(`the cluster stands after ${seconds()}`);
  await warmUp(stage, cluster, warmUpImages);
  note(`every host has warmed up after ${seconds()}`);
  await bringHoldings(stage, cluster, plan);
  if (plan.loan) {
    // a seeder counts on what it has given to nodes that live: one that starts anew has nothing
    await inflictFault({ stage, cluster }, { kind: 'kill', host: plan.loan.host, atMs: 0 }, { signal });
    await cluster.startNode(plan.loan.host, { signal });
    await awaitCluster(stage, everybody(), { signal });
  }
  if (isSeederLent) {
    for (const seeder of cluster.seeders.splice(0)) {
      seeder.signal('SIGKILL');
      await seeder.ended;
    }
  }
  const watch = createStormWatch(clock);
  return {
    async unshelve({ host, image }, file, waiting) {
      const [place, id] = [network.hosts[host], glance.id(image)];
      if (!place) throw new TypeError(`the storm has no host ${host}`);
      if (id === undefined)
        throw new StormError('STORM_PART_FAILED', `Glance does not have ${storm.images[image]?.name} yet`);
      const ended = watch.began(host);
      await curl(place, unshelveWords(id, glance.token, file), waiting);
      ended();
    },
    async shelve(shelve, waiting) {
      watch.noteBegin();
      await shelveImage(stage, shelve, waiting);
    },
    fault: (fault: StormFault, waiting: Waiting) => inflictFault({ stage, cluster }, fault, waiting),
    processes: () => cluster.processes(),
    async account(waiting) {
      await clock.sleep(LOGS_WRITTEN_MS, waiting);
      return await accountOf(storm, cluster, watch.seen());
    },
  };
}

function liesOf({ faults }: Storm): ReadonlyMap<number, string> {
  return new Map(faults.flatMap((fault) => (fault.kind === 'lie' ? [[fault.host, fault.lie] as const] : [])));
}

/** Only what is shelved before or during the storm seeders do not have: it lies where it was shelved. */
function seededImages({ images, shelves }: Storm, plan: HoldingsPlan): readonly number[] {
  const shelved = new Set([...shelves, ...plan.shelves].map(({ image }) => image).concat(plan.loan?.images ?? []));
  return [...images.keys()].filter((image) => !shelved.has(image));
}

function needsSeeder({ prefetches, loan, reads }: HoldingsPlan): boolean {
  return prefetches.length > 0 || reads.length > 0 || (loan?.bases.length ?? 0) > 0;
}
