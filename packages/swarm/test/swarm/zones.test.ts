import { afterEach, describe, expect, test, vi } from 'vitest';
import { neighboursOf } from '../../src/membership/neighbours.ts';
import { contentOf, createMemoryWorld, LINK_BYTES_PER_SECOND, makePack, totalBytes, wantAll } from './memory-world.ts';
import type { MemoryWorld, NodeChoice, TestNode } from './memory-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(512, 1); // 128 pieces of 4 chunks
const unique = totalBytes([image]);
const pieceMs = (4 * 1024 * 1000) / LINK_BYTES_PER_SECOND;
const zones = ['rack-1', 'rack-2', 'rack-3'];

/** A seeder in a zone of its own and four nodes in each of three racks, which have found each other. */
async function racks(choiceOf: (zone: string, i: number) => NodeChoice = () => ({})): Promise<TestNode[]> {
  const seeder = await world.add('seeder', { options: { role: 'seeder', zone: 'store' }, holds: [image] });
  const nodes: TestNode[] = [];
  for (const zone of zones) {
    for (let i = 0; i < 4; i += 1) {
      nodes.push(
        await world.add(`${zone}-${i}`, {
          bootstrap: [seeder],
          knows: [image],
          options: { zone },
          ...choiceOf(zone, i),
        }),
      );
    }
  }
  await world.clock.advance(3000);
  return nodes;
}

const inZone = (nodes: readonly TestNode[], zone: string): TestNode[] =>
  nodes.filter(({ peer }) => peer.startsWith(zone));

/** How often the image came into a zone from outside. */
const copiesInto = (nodes: readonly TestNode[]): number =>
  nodes.reduce((sum, { swarm }) => sum + swarm.figures().crossZoneReceivedBytes, 0) / unique;

const fetchAll = (nodes: readonly TestNode[], limitMs: number) =>
  world.until(Promise.all(nodes.map((node) => node.swarm.fetch(wantAll([image])))), limitMs);

async function expectWhole(nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) expect(Buffer.compare(await contentOf(node.store, image), image.bytes)).toBe(0);
}

describe('three racks', () => {
  test('the image crosses into each about once, and nobody waits long for it', async () => {
    world = createMemoryWorld(1);
    const nodes = await racks();
    const startedMs = world.clock.now();
    await fetchAll(nodes, 30_000);
    const tookMs = world.clock.now() - startedMs;
    await expectWhole(nodes);
    for (const zone of zones) expect(copiesInto(inZone(nodes, zone)), zone).toBeLessThan(1.1);
    expect(tookMs).toBeLessThan(1.8 * 128 * pieceMs);
    const sent = nodes.reduce((sum, { swarm }) => sum + swarm.figures().crossZoneSentBytes, 0);
    expect(sent).toBeGreaterThan(1.5 * unique);
  });

  test('a rack whose neighbour has it all fetches it once', async () => {
    world = createMemoryWorld(2);
    const nodes = await racks((zone) => (zone === 'rack-1' ? { holds: [image] } : {}));
    await fetchAll(nodes, 30_000);
    await expectWhole(nodes);
    expect(copiesInto(inZone(nodes, 'rack-1'))).toBe(0);
    for (const zone of zones.slice(1)) expect(copiesInto(inZone(nodes, zone)), zone).toBeLessThan(1.2);
  });

  test('one that comes later takes it from its rack', async () => {
    world = createMemoryWorld(3);
    const nodes = await racks();
    const last = inZone(nodes, 'rack-2')[3] as TestNode;
    await fetchAll(
      nodes.filter((node) => node !== last),
      30_000,
    );
    await fetchAll([last], 30_000);
    expect(last.swarm.figures().crossZoneReceivedBytes).toBe(0);
  });

  test('one that fetches alone in its rack uses the whole window on the others', async () => {
    world = createMemoryWorld(4);
    const nodes = await racks((zone) => (zone === 'rack-3' ? {} : { holds: [image] }));
    const [alone] = inZone(nodes, 'rack-3') as [TestNode];
    const startedMs = world.clock.now();
    await fetchAll([alone], 30_000);
    expect(world.clock.now() - startedMs).toBeLessThan(1.5 * 128 * pieceMs);
    expect(copiesInto([alone])).toBe(1);
  });

  test('a leader that dies half-way delays its rack, and does not stop it', async () => {
    world = createMemoryWorld(5);
    const nodes = await racks();
    const victim = inZone(nodes, 'rack-2')[0] as TestNode;
    const others = nodes.filter((node) => node !== victim);
    const startedMs = world.clock.now();
    victim.swarm.fetch(wantAll([image])).catch(() => {});
    const all = Promise.all(others.map((node) => node.swarm.fetch(wantAll([image]))));
    all.catch(() => {});
    await world.clock.advance(64 * pieceMs);
    world.hub.kill(victim.peer);
    await world.until(all, 30_000);
    await expectWhole(others);
    expect(world.clock.now() - startedMs).toBeLessThan(3 * 128 * pieceMs);
    for (const zone of ['rack-1', 'rack-3']) expect(copiesInto(inZone(nodes, zone)), zone).toBeLessThan(1.3);
  });

  test('a leader that stalls half-way delays its rack, and does not stop it', async () => {
    world = createMemoryWorld(6);
    const nodes = await racks();
    const victim = inZone(nodes, 'rack-2')[0] as TestNode;
    const others = nodes.filter((node) => node !== victim);
    victim.swarm.fetch(wantAll([image])).catch(() => {});
    const all = Promise.all(others.map((node) => node.swarm.fetch(wantAll([image]))));
    all.catch(() => {});
    await world.clock.advance(64 * pieceMs);
    world.hub.stall(victim.peer);
    await world.until(all, 30_000);
    await expectWhole(others);
    // What the seeder gave it, it gives again after 20 s; what the others could have had from other racks they have long before.
    for (const zone of zones) expect(copiesInto(inZone(nodes, zone)), zone).toBeLessThan(1.3);
  });

  test('zone mates on a slow link do not keep a node from the others', async () => {
    world = createMemoryWorld(7);
    const slow = { upBytesPerSecond: LINK_BYTES_PER_SECOND / 200 };
    const nodes = await racks((zone, i) => {
      if (zone === 'rack-1') return { holds: [image] };
      return zone === 'rack-2' && i === 0 ? { holds: [image], link: slow } : {};
    });
    const node = inZone(nodes, 'rack-2')[1] as TestNode;
    const startedMs = world.clock.now();
    await fetchAll([node], 120_000);
    // The mate alone would take 200 times as long as the link; three seconds are given to it.
    expect(world.clock.now() - startedMs).toBeLessThan(6000);
  });
});

test('as the cluster grows, connections that the graph does not need any more are hung up', async () => {
  world = createMemoryWorld(8);
  const options = { targetDegree: 4, maxZoneMates: 48, excessIdleMs: 5000 };
  const nodes: TestNode[] = [];
  const pairsOf = (): Set<string> =>
    new Set(nodes.flatMap(({ peer, network }) => network.peers().map((other) => [peer, other].sort().join(' '))));
  for (let i = 0; i < 12; i += 1) {
    nodes.push(await world.add(`node-${i}`, { bootstrap: nodes.slice(0, 1), options }));
    if (i === 4) await world.clock.advance(4000);
  }
  const needed = new Set<string>();
  for (const { peer } of nodes) {
    const others = nodes
      .filter((node) => node.peer !== peer)
      .map((node) => ({ peer: node.peer, role: 'node' as const }));
    for (const other of neighboursOf({ peer, role: 'node' }, others, options))
      needed.add([peer, other].sort().join(' '));
    // Bootstrap addresses are the network's own: it would only dial them again.
    if (peer !== nodes[0]?.peer)
      needed.add([peer, nodes[0]?.peer].sort((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1)).join(' '));
  }
  expect([...pairsOf()].filter((pair) => !needed.has(pair)).length).toBeGreaterThan(0);
  await world.clock.advance(20_000);
  expect([...pairsOf()].sort()).toEqual([...needed].sort());
});
