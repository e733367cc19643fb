// A limit for the whole cluster on what leaves the store, with real swarms on a network in memory.
import { verifyPiece } from '@quarry/content';
import type { PieceSource, SourceKind } from '@quarry/content';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ChosenSwarmOptions } from '../../src/options.ts';
import { CHUNK_BYTES, contentOf, createMemoryWorld, makePack, totalBytes, wantAll } from './memory-world.ts';
import type { MemoryWorld, TestNode, TestPack } from './memory-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(1024, 1); // 256 pieces of 4 KiB
const unique = totalBytes([image]);
const PIECE_BYTES = 4 * CHUNK_BYTES;
const BYTES_PER_SECOND = 64 * 1024;
const JOIN_MS = 15_000;

interface Meter {
  readonly bytes: number;
  readonly mostAtOnce: number;
  count(bytes: number): void;
  enter(): void;
  leave(): void;
  /** The most bytes in any second. */
  busiest(): number;
}

function createMeter(): Meter {
  const moments: { readonly atMs: number; readonly bytes: number }[] = [];
  let [bytes, now, mostAtOnce] = [0, 0, 0];
  return {
    get bytes() {
      return bytes;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
    count(more) {
      bytes += more;
      moments.push({ atMs: world.clock.now(), bytes: more });
    },
    enter() {
      now += 1;
      mostAtOnce = Math.max(mostAtOnce, now);
    },
    leave() {
      now -= 1;
    },
    busiest() {
      let [most, sum, from] = [0, 0, 0];
      for (const { atMs, bytes: more } of moments) {
        sum += more;
        for (let first = moments[from]; first && first.atMs <= atMs - 1000; first = moments[from]) {
          sum -= first.bytes;
          from += 1;
        }
        most = Math.max(most, sum);
      }
      return most;
    },
  };
}

/** The store: fast, so that nothing but the budget slows those who read. */
function createOrigin({ descriptor, bytes }: TestPack, meter: Meter): PieceSource {
  return {
    kind: 'origin' as SourceKind,
    covers: () => true,
    async *readPieces(_id, wants, { signal } = {}) {
      meter.enter();
      try {
        for (const { piece, mask } of wants) {
          await world.clock.sleep(2, { signal });
          const chunks: Uint8Array[] = [];
          for (let i = 0; i < 4; i += 1) {
            const chunk = piece * descriptor.chunksPerPiece + i;
            if ((mask >> i) & 1) chunks.push(bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES));
          }
          const read = Buffer.concat(chunks);
          meter.count(read.length);
          yield verifyPiece(descriptor, piece, mask, read);
        }
      } finally {
        meter.leave();
      }
    },
  };
}

const limited: ChosenSwarmOptions = {
  originBytesPerSecond: BYTES_PER_SECOND,
  scheduler: { leaseRunBytes: 8 * PIECE_BYTES },
};

async function start(count: number, options: ChosenSwarmOptions = limited): Promise<TestNode[]> {
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i += 1) {
    nodes.push(await world.add(`node-${i}`, { bootstrap: nodes.slice(0, 1), knows: [image], options }));
  }
  await world.clock.advance(JOIN_MS + 5000);
  return nodes;
}

/** A second's worth, and for each node what it may have saved up and the piece under way. */
const mostInASecond = (nodes: number): number => BYTES_PER_SECOND * 1.05 + nodes * PIECE_BYTES;
const grantorOf = ({ swarm }: TestNode): string | undefined => swarm.status().originBudget?.grantor;

describe('with a limit on what leaves the store', () => {
  test('nodes without a seeder use it and never exceed it', async () => {
    world = createMemoryWorld(51);
    const meter = createMeter();
    const origin = createOrigin(image, meter);
    const nodes = await start(6);
    expect(new Set(nodes.map(grantorOf)).size).toBe(1);
    const beganMs = world.clock.now();
    const reports = nodes.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin }));
    await world.until(Promise.all(reports), 120_000);
    expect(meter.busiest()).toBeLessThanOrEqual(mostInASecond(nodes.length));
    expect(meter.bytes / unique).toBeLessThan(1.05);
    // 16 s at the least.
    expect(world.clock.now() - beganMs).toBeLessThan(1.6 * ((unique / BYTES_PER_SECOND) * 1000));
    for (const node of nodes) expect(Buffer.compare(await contentOf(node.store, image), image.bytes)).toBe(0);
  });

  test('when the grantor dies the others stay within it, and finish', async () => {
    world = createMemoryWorld(52);
    const meter = createMeter();
    const origin = createOrigin(image, meter);
    const nodes = await start(6);
    const dead = nodes.find(({ peer }) => peer === grantorOf(nodes[0] as TestNode)) as TestNode;
    const survivors = nodes.filter((node) => node !== dead);
    const fetches = survivors.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin }));
    const all = Promise.all(fetches);
    all.catch(() => {});
    await world.clock.advance(5000);
    expect(meter.bytes).toBeLessThan(unique);
    world.hub.kill(dead.peer);
    await world.until(all, 240_000);
    expect(meter.busiest()).toBeLessThanOrEqual(mostInASecond(nodes.length));
    for (const node of survivors) expect(Buffer.compare(await contentOf(node.store, image), image.bytes)).toBe(0);
  });

  test('no more reads are under way at once than there may be', async () => {
    world = createMemoryWorld(53);
    const meter = createMeter();
    const origin = createOrigin(image, meter);
    const nodes = await start(6, { ...limited, originBytesPerSecond: Infinity, originReads: 2 });
    const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin }));
    await world.until(Promise.all(fetches), 240_000);
    expect(meter.mostAtOnce).toBeLessThanOrEqual(2);
    expect(meter.mostAtOnce).toBeGreaterThan(0);
  });

  test('what a seeder sends counts, too', async () => {
    world = createMemoryWorld(54);
    const seeder = await world.add('seeder', { options: { ...limited, role: 'seeder' }, holds: [image] });
    const nodes: TestNode[] = [];
    for (let i = 0; i < 4; i += 1) {
      nodes.push(await world.add(`node-${i}`, { bootstrap: [seeder], knows: [image], options: limited }));
    }
    await world.clock.advance(JOIN_MS + 5000);
    expect(grantorOf(nodes[0] as TestNode)).toBe('seeder');
    const beganMs = world.clock.now();
    const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image])));
    await world.until(Promise.all(fetches), 120_000);
    const tookMs = world.clock.now() - beganMs;
    expect(seeder.swarm.figures().sentBytes).toBeGreaterThanOrEqual(unique);
    expect(tookMs).toBeGreaterThan(((seeder.swarm.figures().sentBytes - mostInASecond(1)) / BYTES_PER_SECOND) * 1000);
    expect(tookMs).toBeLessThan(1.3 * ((unique / BYTES_PER_SECOND) * 1000));
  });

  test('lifted while it runs, it is gone; and set again, it counts', async () => {
    world = createMemoryWorld(55);
    const meter = createMeter();
    const origin = createOrigin(image, meter);
    const nodes = await start(3);
    const fetches = Promise.all(nodes.map((node) => node.swarm.fetch(wantAll([image]), { lastResort: origin })));
    await world.clock.advance(3000);
    const before = meter.bytes;
    expect(before).toBeLessThan(5 * BYTES_PER_SECOND);
    for (const { swarm } of nodes) swarm.setRates({ originBytesPerSecond: Infinity });
    await world.until(fetches, 5000);
    expect(nodes[0]?.swarm.status().originBudget).toBeUndefined();
    for (const { swarm } of nodes) swarm.setRates({ originBytesPerSecond: BYTES_PER_SECOND });
    await world.clock.advance(5000);
    expect(nodes[0]?.swarm.status().originBudget).toMatchObject({ hasShare: true, budget: { reads: Infinity } });
  });
});
