// Reads of the origin that no fetch does, under the same budget for the whole cluster.
import { verifyPiece } from '@quarry/content';
import type { PieceSource } from '@quarry/content';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ChosenSwarmOptions } from '../../src/options.ts';
import { CHUNK_BYTES, createMemoryWorld, makePack, wantAll } from './memory-world.ts';
import type { MemoryWorld, TestNode } from './memory-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(256, 1); // 64 pieces of 4 KiB

/** Counts what is under way, and bytes by the second. */
function createGauge(): {
  readonly most: number;
  enter(): void;
  leave(): void;
  count(bytes: number): void;
  busiest(): number;
  readonly bytes: number;
} {
  let [now, most, bytes] = [0, 0, 0];
  const bySecond = new Map<number, number>();
  return {
    get most() {
      return most;
    },
    get bytes() {
      return bytes;
    },
    enter() {
      now += 1;
      most = Math.max(most, now);
    },
    leave() {
      now -= 1;
    },
    count(more) {
      bytes += more;
      const second = Math.floor(world.clock.now() / 1000);
      bySecond.set(second, (bySecond.get(second) ?? 0) + more);
    },
    busiest: () => Math.max(...bySecond.values()),
  };
}
type Gauge = ReturnType<typeof createGauge>;

/** Passes so many bytes through, 4 KiB at a time. */
async function pass(node: TestNode, gauge: Gauge, bytes: number, perBlockMs = 2): Promise<void> {
  const read = await node.swarm.openOriginRead();
  gauge.enter();
  try {
    for (let left = bytes; left > 0; left -= 4096) {
      await read.take(4096);
      gauge.count(4096);
      await world.clock.sleep(perBlockMs);
    }
  } finally {
    gauge.leave();
    read.release();
  }
}

function createOrigin(gauge: Gauge): PieceSource {
  const { descriptor, bytes } = image;
  return {
    kind: 'origin',
    covers: () => true,
    async *readPieces(_id, wants, { signal } = {}) {
      gauge.enter();
      try {
        for (const { piece, mask } of wants) {
          await world.clock.sleep(2, { signal });
          const from = piece * descriptor.chunksPerPiece * CHUNK_BYTES;
          const read = bytes.subarray(from, from + 4 * CHUNK_BYTES);
          gauge.count(read.length);
          yield verifyPiece(descriptor, piece, mask, read);
        }
      } finally {
        gauge.leave();
      }
    },
  };
}

async function start(seed: number, count: number, options: ChosenSwarmOptions): Promise<TestNode[]> {
  world = createMemoryWorld(seed);
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i += 1) {
    nodes.push(await world.add(`node-${i}`, { bootstrap: nodes.slice(0, 1), knows: [image], options }));
  }
  await world.clock.advance(20_000);
  return nodes;
}

describe('a read of the origin outside of fetches', () => {
  test('begins at once and is not paced where there is no budget', async () => {
    const [node] = (await start(70, 2, {})) as [TestNode];
    const beganMs = world.clock.now();
    const read = await node.swarm.openOriginRead();
    await read.take(1 << 30);
    expect(world.clock.now()).toBe(beganMs);
    read.release();
    read.release();
  });

  test('waits for its turn: of all nodes together no more are under way than may be', async () => {
    const nodes = await start(71, 5, { originReads: 2 });
    const gauge = createGauge();
    const passes = nodes.flatMap((node) => [pass(node, gauge, 16 * 4096), pass(node, gauge, 16 * 4096)]);
    await world.until(Promise.all(passes), 120_000);
    expect(gauge.most).toBeLessThanOrEqual(2);
    expect(gauge.bytes).toBe(10 * 16 * 4096);
  });

  test('is paced: all together take no more bytes a second than may leave the store', async () => {
    const bytesPerSecond = 64 * 1024;
    const nodes = await start(72, 3, { originBytesPerSecond: bytesPerSecond });
    const gauge = createGauge();
    await world.until(Promise.all(nodes.map((node) => pass(node, gauge, 128 * 1024, 0))), 60_000);
    expect(gauge.busiest()).toBeLessThanOrEqual(bytesPerSecond * 1.05 + 3 * 4096);
    expect(gauge.bytes).toBe(3 * 128 * 1024);
  });

  test('shares a single read with the fetches of the same node, and neither waits for ever', async () => {
    const [node] = (await start(73, 1, { originReads: 1, scheduler: { leaseRunBytes: 16 * 1024 } })) as [TestNode];
    const gauge = createGauge();
    const fetched = node.swarm.fetch(wantAll([image]), { lastResort: createOrigin(gauge) });
    const passes: Promise<void>[] = [];
    for (let i = 0; i < 6; i += 1) passes.push(pass(node, gauge, 16 * 4096));
    await world.until(Promise.all([fetched, ...passes]), 60_000);
    expect(gauge.most).toBe(1);
    expect((await fetched).bytesBySource.origin).toBe(image.bytes.length);
  });

  test('leaves one of several to fetches that want it', async () => {
    const [node] = (await start(74, 1, { originReads: 2, scheduler: { leaseRunBytes: 16 * 1024 } })) as [TestNode];
    const gauge = createGauge();
    // Two are under way for 4 s, and there are always more behind them.
    const passes = Promise.all(Array.from({ length: 8 }, () => pass(node, gauge, 40 * 4096, 100)));
    await world.clock.advance(1000);
    const fetched = node.swarm.fetch(wantAll([image]), { lastResort: createOrigin(gauge) });
    const report = await world.until(fetched, 8000);
    expect(report.bytesBySource.origin).toBe(image.bytes.length);
    await world.until(passes, 60_000);
    expect(gauge.most).toBe(2);
  });

  test('that nobody waits for any more is not begun', async () => {
    const [node] = (await start(75, 1, { originReads: 1 })) as [TestNode];
    const first = await world.until(node.swarm.openOriginRead(), 5000);
    const leaving = new AbortController();
    const reason = new Error('the client has gone');
    const second = node.swarm.openOriginRead({ signal: leaving.signal });
    const third = node.swarm.openOriginRead();
    leaving.abort(reason);
    await expect(second).rejects.toBe(reason);
    first.release();
    const read = await world.until(third, 5000);
    read.release();
    await node.swarm.close();
    await expect(node.swarm.openOriginRead()).rejects.toMatchObject({ code: 'SWARM_CLOSED' });
    await expect(read.take(1)).rejects.toMatchObject({ code: 'SWARM_CLOSED' });
  });
});
