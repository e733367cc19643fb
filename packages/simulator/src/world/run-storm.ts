import type { SimulationOptions } from '../simulation.ts';
import { masksOfRuns } from './sim-packs.ts';
import { keepConnections } from './connections.ts';
import { scheduleFaults } from './faults.ts';
import type { World } from './world.ts';

/** How often long requests are looked at for progress. */
const SWEEP_MS = 100;
/** Events between two turns of the event loop. */
const EVENTS_PER_TURN = 20_000;

/** Runs the storm to its end, or to its limit. Returns the number of events. */
export async function runStorm(world: World, options: SimulationOptions = {}): Promise<number> {
  const { onProgress, signal } = options;
  const { queue, counts, storm } = world;
  for (const [unshelve, { host, atMs }] of storm.unshelves.entries()) {
    queue.at(atMs, () => {
      if (world.nodes[host]?.isAlive) world.nodes[host].unshelver.begin(unshelve);
    });
  }
  for (const { host, image, atMs } of storm.shelves) {
    queue.at(atMs, () => shelve(world, host, image));
  }
  keepConnections(world);
  scheduleFaults(world);
  // What left the store is known exactly whenever it is looked at: seconds that begin and end at a look are checked exactly.
  let lookedAt = { atMs: 0, bytes: 0 };
  const originBytes = (): void => {
    const look = { atMs: queue.nowMs, bytes: world.net.linkBytes(world.topology.origin) };
    world.invariants.originBytes(lookedAt.atMs, look.atMs, look.bytes - lookedAt.bytes);
    lookedAt = look;
  };
  const sweep = (): void => {
    for (const node of world.nodes) if (node.isAlive) node.receiver.sweep();
    originBytes();
    queue.at(queue.nowMs + SWEEP_MS, sweep);
  };
  queue.at(SWEEP_MS, sweep);

  let events = 0;
  const isOver = (): boolean =>
    storm.unshelves.every(({ host }, i) => counts.unshelves[i]?.endedMs !== undefined || isLost(world, host));
  while (queue.runNext(storm.limitMs)) {
    events += 1;
    if (events % EVENTS_PER_TURN === 0) {
      onProgress?.(queue.nowMs, counts.finished);
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
    if (events % 256 === 0 && isOver()) break;
  }
  return events;
}

function isLost(world: World, host: number): boolean {
  return (
    world.nodes[host]?.isAlive !== true && !world.storm.faults.some((f) => f.kind === 'restart' && f.host === host)
  );
}

function shelve(world: World, host: number, image: number): void {
  const node = world.nodes[host];
  if (!node?.isAlive) return;
  for (const [pack, masks] of masksOfRuns(world.storm, world.storm.images[image]?.runs ?? [])) {
    for (const [piece, mask] of masks.entries())
      if (!node.holds(pack, piece, mask)) node.becomePresent(pack, piece, mask);
  }
}
