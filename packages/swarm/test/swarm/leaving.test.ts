import { afterEach, describe, expect, test, vi } from 'vitest';
import type { LeaveStatus } from '../../src/transfer/drain.ts';
import { contentOf, createMemoryWorld, makePack, totalBytes, wantAll } from './memory-world.ts';
import type { MemoryWorld, TestNode } from './memory-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: MemoryWorld;
afterEach(() => world.close());

const image = makePack(1024, 1); // 256 pieces of 4 chunks
const unique = totalBytes([image]);

async function storm(count: number): Promise<{ seeder: TestNode; nodes: TestNode[] }> {
  const seeder = await world.add('seeder', { options: { role: 'seeder' }, holds: [image] });
  const nodes: TestNode[] = [];
  for (let i = 0; i < count; i += 1) nodes.push(await world.add(`node-${i}`, { bootstrap: [seeder], knows: [image] }));
  await world.clock.advance(3000);
  return { seeder, nodes };
}
const sentPart = ({ swarm }: TestNode): number => swarm.figures().sentBytes / unique;

async function untilSent(seeder: TestNode, part: number): Promise<void> {
  while (sentPart(seeder) < part) await world.clock.advance(10);
}
async function leave({ swarm, network }: TestNode): Promise<void> {
  await swarm.close();
  await network.close();
}

describe('a seeder that wants to leave', () => {
  test('goes at once when nobody needs anything', async () => {
    world = createMemoryWorld(1);
    const { seeder, nodes } = await storm(4);
    await world.until(Promise.all(nodes.map((node) => node.swarm.fetch(wantAll([image])))), 30_000);
    const status = await world.until(seeder.swarm.drain(), 1000);
    expect(status).toMatchObject({ mayLeave: true, unsafePieces: 0 });
    expect(status.waitedMs).toBeLessThan(100);
    expect(seeder.swarm.status().leaving).toBeUndefined();
  });

  test('half-way through a storm goes on giving until two may die after it and all others finish', async () => {
    world = createMemoryWorld(2);
    const { seeder, nodes } = await storm(8);
    const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image])));
    for (const fetch of fetches) fetch.catch(() => {});
    await untilSent(seeder, 0.5);
    const told: LeaveStatus[] = [];
    const drained = seeder.swarm.drain({ onProgress: (status) => told.push(status) });
    await world.clock.advance(300);
    expect(seeder.swarm.status().leaving).toMatchObject({ mayLeave: false, unheard: [] });
    expect(seeder.swarm.figures().leaving?.unsafePieces).toBeGreaterThan(0);
    expect(seeder.swarm.figures().leaving?.needers.length).toBe(8);
    expect((await world.until(drained, 10_000)).mayLeave).toBe(true);
    // Each piece has left it, once, and it went before all was over.
    expect(sentPart(seeder)).toBeGreaterThan(0.99);
    expect(sentPart(seeder)).toBeLessThan(1.02);
    expect(told.length).toBeGreaterThan(1);
    await leave(seeder);
    const dead = nodes.slice(0, 2);
    await Promise.all(dead.map(leave));
    await world.until(Promise.all(fetches.slice(2)), 30_000);
    for (const node of nodes.slice(2)) {
      expect(Buffer.compare(await contentOf(node.store, image), image.bytes)).toBe(0);
    }
  });

  test('hears of what is needed that every node shows already, and that no ask names', async () => {
    world = createMemoryWorld(3);
    const { seeder, nodes } = await storm(2);
    const [first, late] = nodes as [TestNode, TestNode];
    await world.until(first.swarm.fetch(wantAll([image])), 30_000);
    const sentBefore = seeder.swarm.figures().sentBytes;
    const fetch = late.swarm.fetch(wantAll([image]));
    const status = await world.until(seeder.swarm.drain({ timeoutMs: 300 }), 1000);
    expect(status).toMatchObject({ mayLeave: false, needers: [late.peer], waitedMs: 300 });
    expect(status.unsafePieces).toBeGreaterThan(0);
    expect(seeder.swarm.figures().sentBytes).toBe(sentBefore);
    // Only two want it: it may go when both have it.
    const drained = seeder.swarm.drain();
    await world.until(fetch, 30_000);
    expect((await world.until(drained, 2000)).mayLeave).toBe(true);
  });

  test('is let go when the needy have gone, when it is called off, and when the swarm closes', async () => {
    world = createMemoryWorld(4);
    const { seeder, nodes } = await storm(2);
    const fetches = nodes.map((node) => node.swarm.fetch(wantAll([image])));
    for (const fetch of fetches) fetch.catch(() => {});
    await untilSent(seeder, 0.2);
    const calledOff = new AbortController();
    const waits = seeder.swarm.drain({ signal: calledOff.signal });
    waits.catch(() => {});
    await world.clock.advance(200);
    calledOff.abort(new Error('not now'));
    await expect(world.until(waits, 100)).rejects.toThrow('not now');
    const again = seeder.swarm.drain();
    await world.clock.advance(200);
    await Promise.all(nodes.map(leave));
    expect((await world.until(again, 5000)).mayLeave).toBe(true);

    const closing = seeder.swarm.drain();
    const refused = expect(closing).rejects.toMatchObject({ code: 'SWARM_CLOSED' });
    await seeder.swarm.close();
    await refused;
  });
});
