import { randomUUID } from 'node:crypto';
import { limits } from '@quarry/content';
import { createSemaphore, errorCode } from '@quarry/runtime';
import type { Stage } from '../contestant.ts';
import { StormError } from '../storm-error.ts';
import type { Place, Waiting } from '../storm-network.ts';
import { curl } from './curl.ts';
import { createImageWords, readWords, uploadWords } from './facade-calls.ts';
import type { HoldingsPlan, Loan, PlannedRead, PlannedShelve } from './plan-holdings.ts';
import type { RunningDaemon } from './start-daemon.ts';
import type { Cluster } from './start-cluster.ts';

/** Hosts that are busy with it at once. */
const AT_ONCE = 4;
/** Images that a node is asked to hold at once: it refuses beyond 64. */
const PREFETCHED_AT_ONCE = 32;
const POLL_MS = 200;
const KNOWN_WITHIN_MS = 60_000;
const PRESENT_WITHIN_MS = 1500;
const READ_TRIES = 20;

/**
 * Brings about what hosts hold when the storm begins, over links that are not shaped, and looks whether they do.
 * @throws StormError STORM_PART_FAILED where something of it is missing
 */
export async function bringHoldings(stage: Stage, cluster: Cluster, plan: HoldingsPlan): Promise<void> {
  const { storm, note, signal } = stage;
  const slots = createSemaphore(AT_ONCE);
  const idsOf = (images: readonly number[]): string[] => images.map((image) => idOf(stage, image));
  if (plan.prefetches.length > 0) {
    note(`every host fetches ${plan.prefetches.length} images`);
    for (let from = 0; from < plan.prefetches.length; from += PREFETCHED_AT_ONCE)
      await prefetch(seederOf(cluster), idsOf(plan.prefetches.slice(from, from + PREFETCHED_AT_ONCE)), [], { signal });
  }
  if (plan.shelves.length > 0) note(`${plan.shelves.length} images are shelved where the storm has them`);
  const byHost = Map.groupBy(plan.shelves, ({ host }) => host);
  await Promise.all(
    [...byHost.values()].map((shelves) => slots.run(() => shelveAll(stage, cluster, shelves), { signal })),
  );
  if (plan.loan) await lend(stage, cluster, plan.loan);
  if (plan.reads.length > 0) note('hosts read what else they hold');
  const readers = Map.groupBy(plan.reads, ({ host }) => host);
  await Promise.all(
    [...readers].map(([host, reads]) => slots.run(() => readAll(stage, nodeOf(cluster, host), reads), { signal })),
  );
  if (plan.loan) await forgetLent(stage, cluster, plan.loan);
  if (storm.holdings.length === 0) return;
  await Promise.all(
    storm.hosts.map((_, host) => slots.run(() => checkHeld(stage, nodeOf(cluster, host), host), { signal })),
  );
}

/** Uploads an image from a host as Nova does, and tells the harness's Glance under which id it has it now. */
export async function shelveImage(
  stage: Pick<Stage, 'storm' | 'network' | 'glance' | 'images'>,
  { host, image }: { readonly host: number; readonly image: number },
  { signal }: Waiting,
): Promise<string> {
  const { storm, network, glance, images } = stage;
  const [place, file] = [placeOf(network, host), images.files[image]];
  if (!file) throw new TypeError(`the storm has no image ${image}`);
  const { token, url } = glance;
  const base = baseOf(storm, image);
  const made = { name: file.name, baseId: base === undefined ? undefined : glance.id(base), instance: randomUUID() };
  const answer = await curl(place, createImageWords(url, token, made), { signal });
  const { id } = JSON.parse(answer) as { readonly id?: unknown };
  if (typeof id !== 'string') throw new StormError('STORM_PART_FAILED', `Glance made no image: ${answer}`);
  const last = JSON.parse(await curl(place, uploadWords(id, token, file.path), { signal })) as { status?: unknown };
  if (last.status !== 'active')
    throw new StormError(
      'STORM_PART_FAILED',
      `${file.name} was shelved, and Glance says that it is ${String(last.status)}`,
    );
  glance.setId(image, id);
  return id;
}

/** One host's. */
async function shelveAll(stage: Stage, cluster: Cluster, shelves: readonly PlannedShelve[]): Promise<void> {
  const { signal } = stage;
  for (const shelve of shelves) {
    const node = nodeOf(cluster, shelve.host);
    const id = await shelveImage(stage, shelve, { signal });
    await isKnown(stage, node, id);
    const copies = shelve.copies.map((copy) => nodeOf(cluster, copy).nodeId);
    if (copies.length > 0) await prefetch(node, [id], copies, { signal });
  }
}

async function lend(stage: Stage, cluster: Cluster, { host, images, bases }: Loan): Promise<void> {
  const { signal, note } = stage;
  note(`${images.length} images are shelved on a host that keeps none of them, for others to read their parts`);
  const node = nodeOf(cluster, host);
  const ids = bases.map((image) => idOf(stage, image));
  if (ids.length > 0) await prefetch(seederOf(cluster), ids, [node.nodeId], { signal });
  for (const image of images) await isKnown(stage, node, await shelveImage(stage, { host, image }, { signal }));
}

/** On that host alone: seeders and two nodes have been told how the images are made. */
async function forgetLent(stage: Stage, cluster: Cluster, { host, images, bases }: Loan): Promise<void> {
  const node = nodeOf(cluster, host);
  for (const image of [...images, ...bases])
    await node.client.purge({ what: idOf(stage, image), isClusterWide: false }, { signal: stage.signal });
}

/**
 * Reads what one host shall hold, until it does: while an image is news its façade may not know it yet, or have it from somebody whose word is good for a whole
 * image only, and passes on Glance's bytes, of which nothing stays. It forgets that word then, and asks again.
 * @throws StormError STORM_PART_FAILED
 */
async function readAll(stage: Stage, node: RunningDaemon, reads: readonly PlannedRead[]): Promise<void> {
  const { network, glance, signal } = stage;
  for (let tries = 1; ; tries += 1) {
    for (const { host, image, ranges } of reads)
      await curl(placeOf(network, host), readWords(idOf(stage, image), glance.token, ranges), { signal });
    try {
      return await checkHeld(stage, node, reads[0]?.host ?? 0);
    } catch (error) {
      if (tries === READ_TRIES || signal.aborted) throw error;
    }
    for (const { image } of reads) await forgetHere(node, idOf(stage, image), { signal });
  }
}

async function forgetHere(node: RunningDaemon, what: string, { signal }: Waiting): Promise<void> {
  try {
    await node.client.purge({ what, isClusterWide: false }, { signal });
  } catch (error) {
    // it did not know it
    if (errorCode(error) !== 'CONTROL_REMOTE') throw error;
  }
}

function placeOf(network: Stage['network'], host: number): Place {
  const place = network.hosts[host];
  if (!place) throw new TypeError(`the storm has no host ${host}`);
  return place;
}

async function prefetch(
  at: RunningDaemon,
  images: readonly string[],
  nodes: readonly string[],
  { signal }: Waiting,
): Promise<void> {
  const report = await at.client.prefetch({ images, nodes, zones: [], percent: 100 }, { signal });
  const failed = report.nodes.find(({ state }) => state !== 'complete');
  if (failed)
    throw new StormError(
      'STORM_PART_FAILED',
      `a node does not hold image ${failed.image} as the storm wants it: ${failed.state} ${failed.reason ?? ''}`,
    );
}

/** What is shelved is published after Nova has its answer. */
async function isKnown({ clock, signal }: Stage, node: RunningDaemon, id: string): Promise<void> {
  const untilMs = clock.now() + KNOWN_WITHIN_MS;
  while (!(await node.client.images({ signal })).some(({ image }) => image === id)) {
    if (clock.now() > untilMs)
      throw new StormError(
        'STORM_PART_FAILED',
        `${node.name} does not know what was shelved there; see its daemon.log`,
      );
    await clock.sleep(POLL_MS, { signal });
  }
}

/** What a client has been given is present a moment later. */
async function checkHeld({ storm, clock, signal }: Stage, node: RunningDaemon, host: number): Promise<void> {
  const chunks = storm.holdings.reduce((sum, held) => (held.host === host ? sum + held.run.chunkCount : sum), 0);
  const wantedBytes = chunks * limits.fixedChunkBytes;
  const untilMs = clock.now() + PRESENT_WITHIN_MS;
  for (;;) {
    const { presentBytes } = (await node.client.status({ signal })).store;
    if (presentBytes === wantedBytes) return;
    if (clock.now() > untilMs)
      throw new StormError(
        'STORM_PART_FAILED',
        `${node.name} shall hold ${wantedBytes} bytes when the storm begins, and holds ${presentBytes}`,
      );
    await clock.sleep(POLL_MS, { signal });
  }
}

/** The latest earlier image that shares something with it. */
function baseOf({ images }: Stage['storm'], image: number): number | undefined {
  const packs = new Set(images[image]?.runs.map(({ pack }) => pack));
  const base = images.slice(0, image).findLastIndex(({ runs }) => runs.some(({ pack }) => packs.has(pack)));
  return base < 0 ? undefined : base;
}

function idOf({ storm, glance }: Pick<Stage, 'storm' | 'glance'>, image: number): string {
  const id = glance.id(image);
  if (id === undefined) throw new StormError('STORM_PART_FAILED', `Glance does not have ${storm.images[image]?.name}`);
  return id;
}

function nodeOf({ nodes }: Cluster, host: number): RunningDaemon {
  const node = nodes[host];
  if (!node) throw new StormError('STORM_PART_FAILED', `the node of host ${host} is dead before the storm begins`);
  return node;
}

function seederOf({ seeders: [seeder] }: Cluster): RunningDaemon {
  if (!seeder) throw new StormError('STORM_PART_FAILED', 'there is no seeder to have images fetched from');
  return seeder;
}
