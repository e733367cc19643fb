import type { FetchReport } from '@quarry/content';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  contentOf,
  createMemoryWorld,
  isPiece,
  LINK_BYTES_PER_SECOND,
  makePack,
  sumOf,
  totalBytes,
  wantAll,
  wantRun,
} from './memory-world.ts';
import type { MemoryWorld, NodeChoice, TestNode, TestPack } from './memory-world.ts';

// Virtual time, but much of it: twenty nodes exchange some ten thousand messages.
vi.setConfig({ testTimeout: 120_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(1024, 1); // 256 pieces of 4 chunks
const unique = totalBytes([image]);
const noRegives = { sendFailed: 0, holderGone: 0, unshown: 0, unserved: 0, distrusted: 0 };
const pieceMs = (4 * 1024 * 1000) / LINK_BYTES_PER_SECOND;

/** Nodes that know only the seeder when they start, after they have found each other. */
async function joined(
  count: number,
  seeder: TestNode,
  packs: readonly TestPack[],
  choiceOf: (i: number) => NodeChoice = () => ({}),
): Promise<TestNode[]> {
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i += 1) {
    nodes.push(await world.add(`node-${i}`, { bootstrap: [seeder], knows: packs, ...choiceOf(i) }));
  }
  await world.clock.advance(3000);
  return nodes;
}

const addSeeder = (holds: readonly TestPack[]): Promise<TestNode> =>
  world.add('seeder', { options: { role: 'seeder' }, holds });

async function fetchAll(
  nodes: readonly TestNode[],
  packs: readonly TestPack[],
  limitMs: number,
): Promise<FetchReport[]> {
  return world.until(Promise.all(nodes.map((node) => node.swarm.fetch(wantAll(packs)))), limitMs);
}

async function expectWhole(nodes: readonly TestNode[], packs: readonly TestPack[]): Promise<void> {
  for (const node of nodes) {
    for (const pack of packs) expect(Buffer.compare(await contentOf(node.store, pack), pack.bytes)).toBe(0);
  }
}

describe('a storm in memory', () => {
  test('20 nodes fetch one image near the bound, and each byte leaves the seeder once', async () => {
    world = createMemoryWorld(1);
    const seeder = await addSeeder([image]);
    const nodes = await joined(20, seeder, [image]);
    const startedMs = world.clock.now();
    const reports = await fetchAll(nodes, [image], 30_000);
    await expectWhole(nodes, [image]);
    expect(sumOf(reports, 'seeder')).toBe(unique);
    expect(seeder.swarm.figures().sentBytes / unique).toBeLessThan(1.02);
    expect(seeder.swarm.status().seeding?.regives).toEqual(noRegives);
    for (const report of reports) {
      const { bytesBySource, wantedBytes, fetchedBytes, badChunks } = report;
      expect(Object.values(bytesBySource).reduce((sum, bytes) => sum + bytes)).toBe(wantedBytes);
      expect([fetchedBytes, badChunks]).toEqual([unique, 0]);
    }
    // The prototype: the image's own time, and some 30 piece times until everybody has the last piece.
    expect(world.clock.now() - startedMs).toBeLessThan((256 + 80) * pieceMs);
  });

  test('the same seed gives the same run', async () => {
    const traceOf = async (): Promise<unknown> => {
      world = createMemoryWorld(5);
      const seeder = await addSeeder([image]);
      const nodes = await joined(4, seeder, [image]);
      const reports = await fetchAll(nodes, [image], 30_000);
      const trace = [world.clock.now(), reports, nodes.map((node) => node.swarm.status())];
      await world.close();
      return trace;
    };
    expect(await traceOf()).toEqual(await traceOf());
  });

  test('different snapshots that share packs: what they share leaves once, what is their own once each', async () => {
    world = createMemoryWorld(2);
    const own = Array.from({ length: 8 }, (_, i) => makePack(96, 100 + i));
    const seeder = await addSeeder([image, ...own]);
    const nodes = await joined(8, seeder, [image, ...own]);
    const fetches = nodes.map((node, i) => node.swarm.fetch(wantAll([image, own[i] as TestPack])));
    const reports = await world.until(Promise.all(fetches), 60_000);
    expect(sumOf(reports, 'seeder')).toBe(unique + totalBytes(own));
    expect(seeder.swarm.figures().sentBytes).toBeLessThan(1.02 * (unique + totalBytes(own)));
    for (const [i, node] of nodes.entries()) await expectWhole([node], [image, own[i] as TestPack]);
  });

  test('parts of pieces: nodes that need different chunks of a piece share them all the same', async () => {
    world = createMemoryWorld(3);
    const seeder = await addSeeder([image]);
    const nodes = await joined(6, seeder, [image]);
    const fetches = nodes.map((node, i) => node.swarm.fetch([wantRun(image, i * 101 + 1, 500)]));
    await world.until(Promise.all(fetches), 60_000);
    for (const [i, node] of nodes.entries()) {
      const bytes = await node.store.readChunks(image.descriptor.id, i * 101 + 1, 500);
      expect(Buffer.compare(bytes, image.bytes.subarray((i * 101 + 1) * 1024, (i * 101 + 501) * 1024))).toBe(0);
    }
    expect(seeder.swarm.figures().sentBytes / unique).toBeLessThan(1.02);
    const { regives } = seeder.swarm.status().seeding ?? {};
    expect(regives).toEqual(noRegives);
  });

  test('what nodes have already is not asked of the seeder', async () => {
    world = createMemoryWorld(4);
    const seeder = await addSeeder([image]);
    const nodes = await joined(6, seeder, [image], (i) => (i === 0 ? { holds: [image] } : {}));
    const reports = await fetchAll(nodes, [image], 60_000);
    expect(reports[0]?.bytesBySource.local).toBe(unique);
    expect(sumOf(reports, 'seeder')).toBe(0);
    await expectWhole(nodes, [image]);
  });

  test('fetches of one node share: what two want comes once', async () => {
    world = createMemoryWorld(5);
    const seeder = await addSeeder([image]);
    const [node] = (await joined(1, seeder, [image])) as [TestNode];
    const both = Promise.all([node.swarm.fetch(wantAll([image])), node.swarm.fetch([wantRun(image, 100, 200)])]);
    const [whole, part] = await world.until(both, 60_000);
    expect([whole.fetchedBytes, part.fetchedBytes]).toEqual([unique, 200 * 1024]);
    expect(node.network.down.passedBytes).toBeLessThan(1.05 * unique);
  });

  test('a cancelled fetch ends at once, and the other that shares with it goes on', async () => {
    world = createMemoryWorld(6);
    const seeder = await addSeeder([image]);
    const [node] = (await joined(1, seeder, [image])) as [TestNode];
    const controller = new AbortController();
    const cancelled = node.swarm.fetch(wantAll([image]), { signal: controller.signal });
    const other = node.swarm.fetch([wantRun(image, 0, 40)]);
    const refused = expect(cancelled).rejects.toThrow('enough');
    await world.clock.advance(500);
    controller.abort(new Error('enough'));
    await refused;
    expect((await world.until(other, 60_000)).fetchedBytes).toBe(40 * 1024);
    await world.clock.advance(1000);
    expect(node.swarm.status().scheduler).toMatchObject({ fetches: 0, packs: 0, requests: 0, landing: 0 });
  });

  test('an upload limit is kept, and can be changed while it runs', async () => {
    world = createMemoryWorld(7);
    const limit = LINK_BYTES_PER_SECOND / 4;
    const seeder = await world.add('seeder', {
      options: { role: 'seeder', uploadBytesPerSecond: limit },
      holds: [image],
      link: { upBytesPerSecond: Infinity },
    });
    const nodes = await joined(3, seeder, [image]);
    const before = seeder.network.up.passedBytes;
    const done = Promise.all(nodes.map((node) => node.swarm.fetch(wantAll([image]))));
    await world.clock.advance(1000);
    expect(seeder.network.up.passedBytes - before).toBeLessThan(1.2 * limit + 256 * 1024);
    seeder.swarm.setRates({ uploadBytesPerSecond: Infinity });
    await world.until(done, 5000);
  });
});

describe('a storm in memory, with faults', () => {
  test('10 % of the nodes serve garbage: all honest ones finish, nothing bad is kept, and the liars are banned', async () => {
    world = createMemoryWorld(11);
    const garbage = (protocol: string, answer: Uint8Array): Uint8Array => {
      if (!isPiece(protocol) || answer.length < 100) return answer;
      const bytes = answer.slice();
      bytes[50] = (bytes[50] ?? 0) ^ 1;
      return bytes;
    };
    const seeder = await addSeeder([image]);
    const nodes = await joined(20, seeder, [image], (i) => (i % 10 === 9 ? { link: { tamper: garbage } } : {}));
    const honest = nodes.filter((_, i) => i % 10 !== 9);
    const liars = nodes.filter((_, i) => i % 10 === 9);
    const startedMs = world.clock.now();
    const all = nodes.map((node) => node.swarm.fetch(wantAll([image])));
    for (const fetch of all) fetch.catch(() => {}); // the liars' own fetches end with the world
    await world.until(Promise.all(all.filter((_, i) => i % 10 !== 9)), 60_000);
    const tookMs = world.clock.now() - startedMs;
    await expectWhole(honest, [image]);
    for (const liar of liars) {
      const accusers = honest.filter((node) => node.swarm.status().banned.some(({ peer }) => peer === liar.peer));
      expect(accusers.length).toBeGreaterThan(0);
      for (const node of accusers) expect(node.network.peers()).not.toContain(liar.peer);
    }
    expect(seeder.swarm.figures().sentBytes / unique).toBeLessThan(1.1);
    expect(seeder.swarm.status().seeding?.distrusted.toSorted()).toEqual(liars.map(({ peer }) => peer).toSorted());
    expect(tookMs).toBeLessThan(1.3 * (256 + 80) * pieceMs);
  });

  test('a node that claims to have everything and has nothing loses its credit, and nobody waits for it', async () => {
    world = createMemoryWorld(12);
    const boast = (protocol: string, answer: Uint8Array): Uint8Array => (isPiece(protocol) ? Uint8Array.of(2) : answer); // absent
    const seeder = await addSeeder([image]);
    const nodes = await joined(5, seeder, [image], (i) => (i === 0 ? { holds: [image], link: { tamper: boast } } : {}));
    const reports = await fetchAll(nodes.slice(1), [image], 60_000);
    await expectWhole(nodes.slice(1), [image]);
    expect(sumOf(reports, 'seeder')).toBe(unique);
  });

  test('a holder that dies with pieces that only it had: the seeder gives them again, and says why', async () => {
    world = createMemoryWorld(13);
    const seeder = await addSeeder([image]);
    // A thin uplink: what it is given stays with it for long.
    const nodes = await joined(5, seeder, [image], (i) =>
      i === 0 ? { link: { upBytesPerSecond: LINK_BYTES_PER_SECOND / 200 } } : {},
    );
    const [victim, ...others] = nodes as [TestNode, ...TestNode[]];
    victim.swarm.fetch(wantAll([image])).catch(() => {});
    const done = Promise.all(others.map((node) => node.swarm.fetch(wantAll([image]))));
    await world.clock.advance(600);
    world.hub.kill(victim.peer);
    await world.until(done, 60_000);
    await expectWhole(others, [image]);
    const { regives } = seeder.swarm.status().seeding ?? {};
    expect(regives?.holderGone).toBeGreaterThan(0);
  });

  test('a peer that stalls is left within seconds', async () => {
    world = createMemoryWorld(14);
    const holders = [await world.add('a', { holds: [image] }), await world.add('b', { holds: [image] })];
    const node = await world.add('c', { bootstrap: holders, knows: [image] });
    await world.clock.advance(3000);
    const done = node.swarm.fetch(wantAll([image]));
    await world.clock.advance(200);
    world.hub.stall((holders[0] as TestNode).peer);
    const stalledMs = world.clock.now();
    await world.until(done, 20_000);
    // One link's worth of time for what is left, and no more than the stall on top.
    expect(world.clock.now() - stalledMs).toBeLessThan((unique / LINK_BYTES_PER_SECOND) * 1000 + 4000);
    await expectWhole([node], [image]);
  });

  test('a seeder that stalls: the others still share all that it gave', async () => {
    world = createMemoryWorld(15);
    const seeder = await addSeeder([image]);
    const nodes = await joined(4, seeder, [image], () => ({ options: { giveUpMs: 8000 } }));
    const done = Promise.allSettled(nodes.map((node) => node.swarm.fetch(wantAll([image]))));
    await world.clock.advance(250);
    world.hub.stall(seeder.peer);
    const results = await world.until(done, 60_000);
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'SWARM_NO_SOURCE' } });
    const presentOf = (node: TestNode): number =>
      [...(node.store.present(image.descriptor.id)?.bits ?? [])].reduce((sum, byte) => sum + (byte === 255 ? 1 : 0), 0);
    expect(new Set(nodes.map(presentOf)).size).toBe(1);
    expect(presentOf(nodes[0] as TestNode)).toBeGreaterThan(10);
  });

  test('what nobody has is said within the time to give up, and named', async () => {
    world = createMemoryWorld(16);
    const other = makePack(64, 9);
    const holder = await world.add('a', { holds: [image] });
    const node = await world.add('b', { bootstrap: [holder], knows: [image, other], options: { giveUpMs: 5000 } });
    await world.clock.advance(2000);
    const startedMs = world.clock.now();
    const fetching = node.swarm.fetch(wantAll([image, other]));
    await expect(world.until(fetching, 60_000)).rejects.toMatchObject({
      code: 'SWARM_NO_SOURCE',
      canRetry: true,
      details: {
        missingChunks: 64,
        missing: expect.arrayContaining([{ pack: other.descriptor.id, piece: 0, mask: 15 }]),
      },
    });
    const imageMs = (unique / LINK_BYTES_PER_SECOND) * 1000;
    expect(world.clock.now() - startedMs).toBeLessThan(1.5 * imageMs + 5000 + 500);
    await expectWhole([node], [image]); // what was to be had has been kept
  });

  test('gossip that loses a third of its messages only delays', async () => {
    world = createMemoryWorld(17, { gossipLoss: 0.33, jitterMs: 5 });
    const seeder = await addSeeder([image]);
    const nodes = await joined(10, seeder, [image]);
    const reports = await fetchAll(nodes, [image], 60_000);
    await expectWhole(nodes, [image]);
    expect(sumOf(reports, 'seeder') / unique).toBeLessThan(1.05);
  });

  test('a full disk fails the fetch with its own error, and at once', async () => {
    world = createMemoryWorld(18);
    const holder = await world.add('a', { holds: [image] });
    let written = 0;
    const node = await world.add('b', {
      bootstrap: [holder],
      knows: [image],
      wrapStore: (store) => ({
        ...store,
        writePiece: (piece, waiting) => {
          written += 1;
          if (written > 20) return Promise.reject(Object.assign(new Error('no space'), { code: 'STORE_DISK_FULL' }));
          return store.writePiece(piece, waiting);
        },
      }),
    });
    await world.clock.advance(2000);
    await expect(world.until(node.swarm.fetch(wantAll([image])), 5000)).rejects.toMatchObject({
      code: 'STORE_DISK_FULL',
    });
    expect(node.swarm.status().scheduler).toMatchObject({ fetches: 0, packs: 0 });
  });
});
