import { bitCount } from '@quarry/swarm/scheduler';
import type { StormFault } from '@quarry/scenario';
import { tellMembers } from './budget-peers.ts';
import { connect } from './gossip.ts';
import { leaveInOrder } from './leave-in-order.ts';
import { DEAD_NOTICE_MS } from './notice.ts';
import type { SimNode } from './sim-node.ts';
import { tracePlaces } from '../trace.ts';
import type { World } from './world.ts';

/** How long it takes a daemon that has just started until it has met one that it knows: each at its own time. */
const MIN_DIAL_MS = 200;
const MAX_DIAL_MS = 2000;
/** The daemon's: fetches wait so long for a first peer. */
const SETTLE_MS = 1000;

/** Puts every fault of the storm where it belongs in time. */
export function scheduleFaults(world: World): void {
  for (const fault of world.storm.faults) {
    at(world, fault.atMs, () => {
      begin(world, fault);
      trace(world, fault);
    });
  }
}

function trace({ trace: sink, queue, storm }: World, fault: StormFault): void {
  if (sink === undefined) return;
  const place = 'host' in fault ? fault.host : tracePlaces(storm).storm;
  const { kind, atMs, host: _place, untilMs, ...rest } = { host: undefined, untilMs: undefined, ...fault };
  const facts = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, Array.isArray(value) ? value.join(' ') : value]),
  );
  if (untilMs === undefined) return sink.mark(atMs, place, 'fault', kind, facts);
  const span = sink.begin(atMs, place, 'fault', kind, facts);
  if (untilMs < Infinity) queue.at(untilMs, () => sink.end(untilMs, span));
}

function begin(world: World, fault: StormFault): void {
  switch (fault.kind) {
    case 'kill':
      return kill(world, fault.host);
    case 'restart':
      return restart(world, fault.host, fault.tornChunks);
    case 'stall':
      world.wire.stall(fault.host, true);
      return at(world, fault.untilMs, () => {
        world.wire.stall(fault.host, false);
        world.nodes[fault.host]?.resume(fault.untilMs - fault.atMs);
      });
    case 'slowLink':
      slowLinks(world, fault.host, fault.factor);
      return at(world, fault.untilMs, () => slowLinks(world, fault.host, 1));
    case 'slowCpu':
      world.wire.slowDown(fault.host, 1 / fault.factor);
      return at(world, fault.untilMs, () => world.wire.slowDown(fault.host, 1));
    case 'lie': {
      const node = world.nodes[fault.host];
      if (!node) return;
      node.sender.lie = fault.lie;
      if (fault.lie === 'falseHaves') for (const pack of world.packs.descriptors.keys()) node.board.boast(pack);
      return;
    }
    case 'partition': {
      const heal = world.wire.partition(new Set(fault.hosts));
      return at(world, fault.untilMs, heal);
    }
    case 'seedersLeave':
      for (const seeder of world.seeders) {
        if (fault.isOrderly) leaveInOrder(world, seeder, () => killSeeder(world, seeder.endpoint, true));
        else killSeeder(world, seeder.endpoint, false);
      }
      return;
    case 'originFails':
      world.store.fails = fault.how;
      return at(world, fault.untilMs, () => {
        world.store.fails = undefined;
      });
  }
}

function at(world: World, atMs: number, run: () => void): void {
  if (atMs !== Infinity) world.queue.at(atMs, run);
}

function slowLinks(world: World, host: number, factor: number): void {
  const { net, topology, storm } = world;
  const spec = storm.hosts[host];
  if (!spec) return;
  net.setLinkRate(topology.up[host] as number, spec.upBytesPerSecond * factor);
  net.setLinkRate(topology.down[host] as number, spec.downBytesPerSecond * factor);
}

function kill(world: World, host: number): void {
  const node = world.nodes[host];
  if (!node?.isAlive) return;
  const others = [...node.connections];
  node.die();
  world.wire.kill(host);
  world.queue.at(world.queue.nowMs + DEAD_NOTICE_MS, () => {
    if (node.isAlive) return;
    for (const other of others) world.nodes[other]?.part(host);
    for (const seeder of world.seeders) if (seeder.isAlive) seeder.peerGone(host);
    world.gossip.gone(node);
    tellMembers(world);
  });
}

function killSeeder(world: World, endpoint: number, isOrderly: boolean): void {
  const seeder = world.seeders.find((one) => one.endpoint === endpoint);
  if (!seeder?.isAlive) return;
  seeder.die();
  world.wire.kill(endpoint);
  world.queue.at(world.queue.nowMs + DEAD_NOTICE_MS, () => {
    const left = world.seeders.filter((one) => one.isAlive).length;
    for (const node of world.nodes) {
      node.part(endpoint);
      node.say({ kind: 'seeders', count: left });
    }
    tellMembers(world, isOrderly ? [seeder.peer] : []);
  });
}

function restart(world: World, host: number, tornChunks: number): void {
  const node = world.nodes[host];
  if (!node || node.isAlive) return;
  tear(node, tornChunks);
  // Who had not noticed yet does so now: the new process knows nothing of the old one's connections.
  for (const other of world.nodes) other.part(host);
  for (const seeder of world.seeders) if (seeder.isAlive) seeder.peerGone(host);
  world.wire.revive(host);
  node.restart();
  const seeders = world.seeders.filter((seeder) => seeder.isAlive);
  node.say({ kind: 'seeders', count: seeders.length });
  const life = node.startedAtMs;
  const later = (ms: number, run: () => void): void =>
    void world.queue.at(world.queue.nowMs + ms, () => {
      if (node.isAlive && node.startedAtMs === life) run();
    });
  /** Fetches wait for the first who is met, or for so long. */
  const join = (): void => {
    if (node.isJoined) return;
    node.isJoined = true;
    for (const pack of node.have.keys()) world.gossip.changed(node, pack);
    tellMembers(world);
    node.unshelver.beginAgain();
  };
  const dialMs = (): number => MIN_DIAL_MS + (MAX_DIAL_MS - MIN_DIAL_MS) * world.random.next();
  for (const { endpoint } of seeders) later(dialMs(), () => dial(endpoint, () => node.meet(endpoint, 'seeder')));
  for (const other of world.nodes.slice(0, 48)) {
    if (other !== node) later(dialMs(), () => dial(other.endpoint, () => connect(node, other)));
  }
  const dial = (other: number, meet: () => void): void => {
    if (world.wire.isDead(other) || node.connections.has(other)) return;
    if (world.wire.isHeldUp(host, other)) return later(MAX_DIAL_MS, () => dial(other, meet));
    meet();
    join();
  };
  later(SETTLE_MS, join);
}

/** The store does not believe what was marked since the last sync. Which chunks those were does not matter: they are gone. */
function tear(node: SimNode, chunks: number): void {
  let left = chunks;
  for (const [pack, masks] of node.have) {
    const whole = node.world.packs.descriptors[pack];
    if (!whole) continue;
    for (let piece = masks.length - 1; piece >= 0 && left > 0; piece -= 1) {
      left -= bitCount(masks[piece] ?? 0);
      masks[piece] = 0;
    }
  }
}
