import { verifyPiece } from '@quarry/content';
import type { PieceSource, SourceKind } from '@quarry/content';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ChosenSwarmOptions } from '../../src/options.ts';
import { schedulerDefaults } from '../../src/scheduler/scheduler-options.ts';
import {
  CHUNK_BYTES,
  contentOf,
  createMemoryWorld,
  makePack,
  sumOf,
  totalBytes,
  wantAll,
  wantRun,
} from './memory-world.ts';
import type { MemoryWorld, TestNode, TestPack } from './memory-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(512, 1); // 128 pieces
const unique = totalBytes([image]);
const { leaseGraceMs } = schedulerDefaults;

/** 16 runs of 8 pieces. */
const RUN_PIECES = 8;
const RUNS = 16;
const inRuns = { scheduler: { leaseRunBytes: RUN_PIECES * 4 * CHUNK_BYTES } };

interface TestOrigin extends PieceSource {
  readonly readBytes: number;
  readonly reads: number;
  readonly mostAtOnce: number;
}

interface TestOriginOptions {
  /** What happens to the piece that is the so-manieth of its read. */
  readonly fate?: (index: number) => 'good' | 'fails' | 'hangs';
  /** Its link in pieces a second, shared by all reads; default: as a node's. */
  readonly piecesPerSecond?: number;
}

/** The image at its store, 18 ms away, as Glance is for a range whatever its size; all who read share its link. */
function createOrigin(packs: readonly TestPack[], options: TestOriginOptions = {}): TestOrigin {
  const { fate = () => 'good', piecesPerSecond = 1000 / 2.1 } = options;
  let [readBytes, reads, reading, mostAtOnce] = [0, 0, 0, 0];
  return {
    kind: 'origin' as SourceKind,
    covers: (id) => packs.some(({ descriptor }) => descriptor.id === id),
    async *readPieces(id, wants, { signal } = {}) {
      const { descriptor, bytes } = packs.find((pack) => pack.descriptor.id === id) as TestPack;
      reads += 1;
      reading += 1;
      mostAtOnce = Math.max(mostAtOnce, reading);
      try {
        await world.clock.sleep(18, { signal });
        for (const [index, { piece, mask }] of wants.entries()) {
          await world.clock.sleep((1000 / piecesPerSecond) * reading, { signal });
          if (fate(index) === 'fails') throw new Error('the origin is out of order');
          if (fate(index) === 'hangs') await world.clock.sleep(1e9, { signal });
          const chunks: Uint8Array[] = [];
          for (let i = 0; i < 16; i += 1) {
            const chunk = piece * descriptor.chunksPerPiece + i;
            if ((mask >> i) & 1) chunks.push(bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES));
          }
          const read = Buffer.concat(chunks);
          readBytes += read.length;
          yield verifyPiece(descriptor, piece, mask, read);
        }
      } finally {
        reading -= 1;
      }
    },
    get readBytes() {
      return readBytes;
    },
    get reads() {
      return reads;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
  };
}

async function nodesWithoutSeeder(count: number, options: ChosenSwarmOptions = inRuns): Promise<TestNode[]> {
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i += 1) {
    nodes.push(await world.add(`node-${i}`, { bootstrap: nodes.slice(0, 1), knows: [image], options }));
  }
  await world.clock.advance(3000);
  return nodes;
}

async function expectAllHaveIt(nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) expect(Buffer.compare(await contentOf(node.store, image), image.bytes)).toBe(0);
}

describe('without a seeder', () => {
  test('the nodes that want an image divide it, and the origin is read once, in few reads', async () => {
    world = createMemoryWorld(31);
    const origin = createOrigin([image]);
    const nodes = await nodesWithoutSeeder(6);
    const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin }));
    const reports = await world.until(Promise.all(fetches), 30_000);
    await expectAllHaveIt(nodes);
    expect(origin.readBytes).toBe(unique);
    expect(origin.reads).toBe(RUNS);
    expect(origin.mostAtOnce).toBeGreaterThan(nodes.length);
    expect(sumOf(reports, 'origin')).toBe(unique);
    expect(reports.reduce((sum, { duplicateBytes }) => sum + duplicateBytes, 0)).toBe(0);
  });

  test('in a cluster that has stood for long those who come first among all begin at once, and each byte is still read once', async () => {
    for (const [standingMs, hasBegun] of [
      [40_000, true],
      [0, false],
    ] as const) {
      world = createMemoryWorld(40);
      const origin = createOrigin([image]);
      const nodes = await nodesWithoutSeeder(6);
      await world.clock.advance(standingMs);
      const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin }));
      await world.clock.advance(leaseGraceMs / 2);
      expect(origin.reads > 0).toBe(hasBegun);
      await world.until(Promise.all(fetches), 30_000);
      expect(origin.readBytes).toBe(unique);
      await world.close();
    }
  });

  test('an origin at which each piece takes seconds is still read once', async () => {
    world = createMemoryWorld(36);
    const origin = createOrigin([image], { piecesPerSecond: 1.5 });
    const nodes = await nodesWithoutSeeder(6);
    const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin }));
    await world.until(Promise.all(fetches), 300_000);
    await expectAllHaveIt(nodes);
    expect(origin.readBytes / unique).toBeLessThanOrEqual(1.05);
  });

  test('what one cannot read, because its origin fails, the next in rank reads', async () => {
    world = createMemoryWorld(32);
    const origin = createOrigin([image]);
    const broken = createOrigin([image], { fate: () => 'fails' });
    const nodes = await nodesWithoutSeeder(4);
    const fetches = nodes.map((node, i) =>
      node.swarm.fetch(wantAll([image]), { lastResort: i === 0 ? broken : origin }),
    );
    await world.until(Promise.all(fetches), 60_000);
    await expectAllHaveIt(nodes);
    expect(origin.readBytes / unique).toBeLessThan(1.05);
  });

  test.each(['fails', 'hangs'] as const)(
    'a run whose reader %s half-way is read to its end by the next',
    async (how) => {
      world = createMemoryWorld(37);
      const origin = createOrigin([image]);
      const broken = createOrigin([image], { fate: (index) => (index < 5 ? 'good' : how) });
      const nodes = await nodesWithoutSeeder(4);
      const fetches = nodes.map((node, i) =>
        node.swarm.fetch(wantAll([image]), { lastResort: i === 0 ? broken : origin }),
      );
      await world.until(Promise.all(fetches), 60_000);
      await expectAllHaveIt(nodes);
      expect(broken.readBytes).toBeGreaterThanOrEqual(5 * 4 * CHUNK_BYTES);
      expect((origin.readBytes + broken.readBytes) / unique).toBeLessThan(1.05);
    },
  );

  test('the runs of a reader that dies are read by others, and only what it has shown nobody', async () => {
    world = createMemoryWorld(38);
    const origin = createOrigin([image]);
    const nodes = await nodesWithoutSeeder(5, { scheduler: { ...inRuns.scheduler, leaseReads: 2 } });
    const [dying, ...others] = nodes as [TestNode, ...TestNode[]];
    const theirs = Promise.all(others.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin })));
    dying.swarm.fetch(wantAll([image]), { lastResort: origin }).catch(() => {});
    await world.clock.advance(leaseGraceMs + 100);
    expect(origin.readBytes).toBeGreaterThan(0);
    await dying.swarm.close();
    await dying.network.close();
    await world.until(theirs, 60_000);
    await expectAllHaveIt(others);
    // What only the dead one had is read again: of two runs at most.
    expect(origin.readBytes).toBeLessThanOrEqual(unique + 2 * RUN_PIECES * 4 * CHUNK_BYTES);
  });

  test('two fetches of one node with a last resort each read every piece once', async () => {
    world = createMemoryWorld(39);
    const [one, other] = [createOrigin([image]), createOrigin([image])];
    const [node] = (await nodesWithoutSeeder(1)) as [TestNode];
    const half = node.swarm.fetch([wantRun(image, 0, 256)], { lastResort: one });
    const whole = node.swarm.fetch(wantAll([image]), { lastResort: other });
    await world.until(Promise.all([half, whole]), 60_000);
    await expectAllHaveIt([node]);
    expect(one.readBytes + other.readBytes).toBe(unique);
  });

  test('when the origin fails for all, the fetch says why it found no source', async () => {
    world = createMemoryWorld(33);
    const broken = createOrigin([image], { fate: () => 'fails' });
    const node = await world.add('node', { knows: [image], options: { giveUpMs: 5000 } });
    await world.clock.advance(1000);
    await expect(world.until(node.swarm.fetch(wantAll([image]), { lastResort: broken }), 60_000)).rejects.toMatchObject(
      { code: 'SWARM_NO_SOURCE', cause: { message: 'the origin is out of order' } },
    );
  });

  test('a seeder that does not hold the image is asked first, and then the origin', async () => {
    world = createMemoryWorld(34);
    const origin = createOrigin([image]);
    const seeder = await world.add('seeder', { options: { role: 'seeder' } });
    const node = await world.add('node', { bootstrap: [seeder], knows: [image] });
    await world.clock.advance(3000);
    const report = await world.until(node.swarm.fetch(wantAll([image]), { lastResort: origin }), 30_000);
    expect(report.bytesBySource).toMatchObject({ origin: unique, seeder: 0 });
  });

  test('a seeder that holds it spares the origin altogether', async () => {
    world = createMemoryWorld(35);
    const origin = createOrigin([image]);
    const seeder = await world.add('seeder', { options: { role: 'seeder' }, holds: [image] });
    const nodes: TestNode[] = [];
    for (let i = 0; i < 4; i += 1) nodes.push(await world.add(`node-${i}`, { bootstrap: [seeder], knows: [image] }));
    // No time to look around: a node that starts must not take a seeder that is slow to answer for none.
    const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin }));
    await world.until(Promise.all(fetches), 30_000);
    expect(origin.readBytes).toBe(0);
  });
});

describe('in a cluster with more members than neighbours', () => {
  test('a pack that only a far member holds is found, and the holder dialled', async () => {
    world = createMemoryWorld(41);
    const nodes: TestNode[] = [];
    const options = { targetDegree: 4 };
    for (let i = 0; i < 24; i += 1) {
      const holds = i === 20 ? [image] : [];
      nodes.push(await world.add(`node-${i}`, { bootstrap: nodes.slice(-1), holds, knows: [image], options }));
    }
    await world.clock.advance(60_000);
    const holder = nodes[20] as TestNode;
    const asker = nodes.find(({ network }) => !network.peers().includes(holder.peer) && network !== holder.network);
    expect(asker).toBeDefined();
    const report = await world.until((asker as TestNode).swarm.fetch(wantAll([image])), 10_000);
    expect(report.bytesBySource.peer).toBe(unique);
  });

  test('40 nodes with 8 neighbours each share one image, and the seeder sends hardly more than once', async () => {
    world = createMemoryWorld(42);
    const seeder = await world.add('seeder', { options: { role: 'seeder' }, holds: [image] });
    const nodes: TestNode[] = [];
    for (let i = 0; i < 40; i += 1) {
      nodes.push(await world.add(`node-${i}`, { bootstrap: [seeder], knows: [image], options: { targetDegree: 8 } }));
    }
    await world.clock.advance(10_000);
    const degrees = nodes.map((node) => node.network.peers().length - 1);
    expect(Math.min(...degrees)).toBeGreaterThanOrEqual(4);
    const reports = await world.until(Promise.all(nodes.map((node) => node.swarm.fetch(wantAll([image])))), 60_000);
    for (const node of nodes) expect(Buffer.compare(await contentOf(node.store, image), image.bytes)).toBe(0);
    expect(sumOf(reports, 'seeder') / unique).toBeLessThan(1.02);
  });
});
