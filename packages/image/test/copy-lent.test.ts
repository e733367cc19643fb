import { ftruncateSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publicDomain } from '@quarry/content';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ingestImage, rebuildImage } from '../src/index.ts';
import { createCompute } from '../src/threads/compute.ts';
import type { Compute } from '../src/threads/compute.ts';
import { anyImage, diskImage } from './support/any-image.ts';
import { lendingStore } from './support/lending-store.ts';
import { streamOf } from './support/streams.ts';
import { anyRef, createTestNode, ingestBytes } from './support/test-node.ts';

const CHUNK = 65536;
const image = Buffer.concat([diskImage(30, 1), Buffer.alloc(40 * CHUNK), diskImage(50, 2)]);

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-lent-'));
  await mkdir(join(directory, 'packs'));
});
afterEach(() => rm(directory, { recursive: true }));

async function running(maxThreads: number): Promise<Compute> {
  const compute = createCompute({ maxThreads });
  onTestFinished(() => compute.close());
  await compute.warmUp();
  return compute;
}

function lending(
  node: ReturnType<typeof createTestNode>,
  spoil?: (fd: number) => void,
): ReturnType<typeof lendingStore> {
  const store = lendingStore(node.store, join(directory, 'packs'), spoil);
  onTestFinished(() => store.close());
  return store;
}

describe.for([0, 1, 2])('a rebuild from a store that lends its files, with %i threads', (threads) => {
  test('gives the same image, sparse, whatever it is made of', { timeout: 30_000 }, async () => {
    const compute = await running(threads);
    await fc.assert(
      fc.asyncProperty(anyImage, async (bytes) => {
        const node = createTestNode();
        const { manifest } = await ingestBytes(node, bytes);
        const store = lending(node);
        const destination = join(directory, 'image');
        const report = await rebuildImage({ ...node, store, compute }, manifest, destination, { mayOverwrite: true });
        expect((await readFile(destination)).equals(bytes)).toBe(true);
        expect(report.writtenBytes + report.holeBytes).toBe(bytes.length);
        await rm(join(directory, 'packs'), { recursive: true });
        await mkdir(join(directory, 'packs'));
      }),
      { numRuns: 15 },
    );
  });

  test.for([
    ['a byte of the file is another', (fd: number): unknown => writeSync(fd, Buffer.of(0, 1, 2, 3), 0, 4, 10 * CHUNK)],
    ['a frame of it is none', (fd: number): unknown => writeSync(fd, Buffer.alloc(1000), 0, 1000, 4 * CHUNK)],
    ['it is shorter than it was', (fd: number) => ftruncateSync(fd, 35 * CHUNK)],
  ] as const)('takes the ordinary way where %s', async ([, spoil]) => {
    const compute = await running(threads);
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const store = lending(node, spoil);
    const destination = join(directory, 'image');
    await rebuildImage({ ...node, store, compute }, manifest, destination);
    expect(store.lent.chunks).toBe(80);
    expect((await readFile(destination)).equals(image)).toBe(true);
    expect((await stat(destination)).blocks * 512).toBeLessThan(90 * CHUNK);
  });

  test('has what an ingest wrote into them', async () => {
    const compute = await running(threads);
    const node = createTestNode();
    const store = lending(node);
    const bytes = streamOf(image, [100_000]);
    const { manifest } = await ingestImage({ ...node, store, compute }, { ref: anyRef, domain: publicDomain, bytes });
    expect(store.lent.stagedBytes).toBe(threads === 0 ? 0 : 80 * CHUNK);
    expect(manifest).toEqual((await ingestBytes(createTestNode(), image)).manifest);
    const destination = join(directory, 'image');
    await rebuildImage({ ...node, store, compute }, manifest, destination);
    expect((await readFile(destination)).equals(image)).toBe(true);
  });

  test('leaves nothing behind when it is aborted', async () => {
    const compute = await running(threads);
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, image);
    const controller = new AbortController();
    const store = lending(node, () => controller.abort(new Error('enough')));
    const deps = { ...node, store, compute };
    const rebuilding = rebuildImage(deps, manifest, join(directory, 'image'), { signal: controller.signal });
    await expect(rebuilding).rejects.toThrow('enough');
    expect(await readdir(directory)).toEqual(['packs']);
  });
});

test('a rebuild whose thread dies goes on without it', async () => {
  const node = createTestNode();
  const { manifest } = await ingestBytes(node, image);
  const compute = await running(1);
  const store = lending(node, () => void compute.close());
  const destination = join(directory, 'image');
  await rebuildImage({ ...node, store, compute }, manifest, destination);
  expect((await readFile(destination)).equals(image)).toBe(true);
});
