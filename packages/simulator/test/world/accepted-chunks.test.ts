import { expect, test } from 'vitest';
import { createWorld } from '../../src/world/create-world.ts';
import { runStorm } from '../../src/world/run-storm.ts';
import { tinyStorm } from '../support/tiny-storm.ts';

const storm = tinyStorm({
  origin: { ...tinyStorm().origin, seeders: 0 },
  holdings: [{ host: 0, run: { pack: 0, firstChunk: 0, chunkCount: 40 } }],
  unshelves: [1, 2].map((host) => ({ host, image: 0, atMs: 0 })),
  faults: [{ kind: 'lie', host: 0, atMs: 0, lie: 'badChunks' }],
});

async function accepted(verifies: boolean): Promise<{ readonly count: number; readonly hosts: Set<string> }> {
  const world = createWorld(storm, undefined, verifies);
  await runStorm(world);
  const { badChunksAccepted, broken } = world.invariants.finish(world.queue.nowMs);
  const hosts = broken.flatMap(({ message }) => /^(\w) accepted a bad chunk/.exec(message)?.[1] ?? []);
  return { count: badChunksAccepted, hosts: new Set(hosts) };
}

test('what a liar sends is counted where it is stored, by whomever it is passed on, if hosts do not check it', async () => {
  expect(await accepted(false)).toEqual({ count: 80, hosts: new Set(['b', 'c']) });
});

test('and none of it is when they do', async () => {
  expect(await accepted(true)).toEqual({ count: 0, hosts: new Set() });
});
