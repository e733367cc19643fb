import { createSeededRandom } from '@quarry/runtime';
import type { Storm } from '@quarry/scenario';
import { createEventQueue } from '../engine/event-queue.ts';
import { createFlowNetwork } from '../engine/flow-network.ts';
import { createInvariants } from '../invariants.ts';
import { createCounts } from './counts.ts';
import { settleBudgets } from './budget-peers.ts';
import { connect, createGossip, wantsNewsMs } from './gossip.ts';
import { neighbourPairs } from './neighbour-pairs.ts';
import { pacedTransfers } from './paced-transfers.ts';
import { createSimPacks, masksOfRuns } from './sim-packs.ts';
import { SimNode } from './sim-node.ts';
import { SimSeeder } from './sim-seeder.ts';
import { createSimStore } from './sim-store.ts';
import { createTopology } from './topology.ts';
import { tracedTransfers } from './traced-transfers.ts';
import { createTransfers } from './transfers.ts';
import { createWire } from './wire.ts';
import type { World } from './world.ts';

/** Rates are shared anew at most so many times per piece's time on the fastest link. */
const QUANTA_PER_PIECE = 8;

/** Everything in its place, a moment before the storm: hosts connected, what they hold known. */
export function createWorld(storm: Storm, trace?: World['trace'], verifies: boolean = true): World {
  const queue = createEventQueue();
  const random = createSeededRandom(storm.seed);
  const net = createFlowNetwork(queue, { quantumMs: quantumOf(storm) });
  const topology = createTopology(storm, net);
  const wire = createWire(queue, random, storm.control);
  const packs = createSimPacks(storm, random);
  const invariants = createInvariants(storm);
  const now = (): number => queue.nowMs;
  const transfers = pacedTransfers(createTransfers({ net, wire, topology, queue }), now);
  const nodes: SimNode[] = [];
  const seeders: SimSeeder[] = [];
  const world: World = {
    storm,
    queue,
    net,
    random,
    packs,
    topology,
    wire,
    transfers: trace === undefined ? transfers : tracedTransfers(transfers, { trace, storm, now }),
    gossip: createGossip(() => world),
    store: createSimStore(() => world),
    invariants,
    verifies,
    counts: createCounts(storm, () => packs),
    trace,
    nodes,
    seeders,
  };
  for (const endpoint of storm.hosts.keys()) nodes.push(new SimNode(world, endpoint));
  for (let i = 0; i < storm.origin.seeders; i += 1) seeders.push(new SimSeeder(world, storm.hosts.length + i));
  for (const { host, run } of storm.holdings) hold(world, host, [run]);
  for (const node of nodes) {
    tellMembers(node);
    node.say({ kind: 'seeders', count: seeders.length });
    for (const seeder of seeders) node.meet(seeder.endpoint, 'seeder');
  }
  for (const [a, b] of neighbourPairs(storm)) connect(nodes[a] as SimNode, nodes[b] as SimNode);
  world.gossip.publishAll();
  settleBudgets(world);
  return world;
}

/** What a node that has been there for long knows of the others. */
function tellMembers(node: SimNode): void {
  const { nodes } = node.world;
  const members = nodes.filter((other) => other !== node).map((other) => other.peer);
  node.say({ kind: 'members', members, newsMs: wantsNewsMs(nodes.length), isSettled: true });
}

function quantumOf(storm: Storm): number {
  const fastest = Math.max(...storm.hosts.map((host) => Math.min(host.upBytesPerSecond, 1e12)));
  return storm.hosts.length <= 8 ? 0 : ((1024 * 1024) / fastest / QUANTA_PER_PIECE) * 1000;
}

function hold(world: World, host: number, runs: Parameters<typeof masksOfRuns>[1]): void {
  for (const [pack, masks] of masksOfRuns(world.storm, runs)) {
    const have = world.nodes[host]?.masksOf(pack);
    if (have) for (const [piece, mask] of masks.entries()) have[piece] = (have[piece] ?? 0) | mask;
  }
}
