// The whole way: any bytes in, ingested on one node; any part of the chunks local on another, the rest from peers, some of whom lie; the same bytes out.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addChunk, createChunkSet, hasChunk, imageRef } from '@quarry/content';
import type { Manifest } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchImage, rebuildImage } from '../src/index.ts';
import { anyImage, diskImage, noise } from './support/any-image.ts';
import { createFetchNode } from './support/fetch-node.ts';
import type { FetchNode } from './support/fetch-node.ts';
import { interruptible } from './support/interruptible.ts';
import { plantRotten } from './support/rotten-pack.ts';
import { createStoreBackedSwarm } from './support/store-backed-swarm.ts';
import { anyRef, createTestNode, ingestBytes } from './support/test-node.ts';
import type { TestNode } from './support/test-node.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quarry-image-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Brings some of the image's chunks, drawn by `seed`, into the store of a node; how many bytes. */
async function keepSome(
  from: TestNode,
  manifest: Manifest,
  node: TestNode,
  share: number,
  seed: number,
): Promise<number> {
  const random = createSeededRandom(seed);
  const swarm = createStoreBackedSwarm(node.store, [from]);
  let keptBytes = 0;
  for (const pack of manifest.packs) {
    const descriptor = await from.store.findPack(pack);
    if (!descriptor) throw new Error('the seeder knows its packs');
    await node.store.addPack(descriptor);
    const some = createChunkSet(descriptor.chunkCount);
    for (let chunk = 0; chunk < descriptor.chunkCount; chunk += 1) if (random.next() < share) addChunk(some, chunk);
    keptBytes += (await swarm.fetch([{ pack, chunks: some }])).fetchedBytes;
  }
  return keptBytes;
}

describe('an image that is fetched and rebuilt', () => {
  test('is the same, whatever was local and whoever lies', async () => {
    const destination = join(directory, 'any');
    const share = fc.constantFrom(0, 0.3, 0.9, 1);
    await fc.assert(
      fc.asyncProperty(anyImage, share, share, fc.nat(1000), async (image, localShare, liarsShare, seed) => {
        const seeder = createTestNode();
        const hash = seed % 4 === 0 ? { hash: 'sha256' as const } : {}; // a thread each time: not always
        const { manifest, report: ingested } = await ingestBytes(seeder, image, hash);
        const liar = { ...createTestNode(), isLiar: true };
        await keepSome(seeder, manifest, liar, liarsShare, seed + 1);
        const node = createFetchNode(seeder, [liar, seeder]);
        const presentBytes = await keepSome(seeder, manifest, node, localShare, seed);
        const fetched = await fetchImage(node, anyRef);
        expect(fetched).toMatchObject({ manifest, mustMatch: undefined });
        expect(fetched.report).toMatchObject({ route: 'packs', wantedBytes: ingested.newBytes, presentBytes });
        expect(fetched.report.bytesBySource.peer).toBe(ingested.newBytes - presentBytes);
        expect(fetched.report.badChunks).toBe(node.swarm.banned.size);
        const options = { mayOverwrite: true, isDurable: false, expectedHash: manifest.hash };
        await rebuildImage(node, fetched.manifest, destination, options);
        expect((await readFile(destination)).equals(image)).toBe(true);
      }),
      { numRuns: 30 },
    );
  }, 30_000);

  test('takes what other packs of this host hold from there', async () => {
    const seeder = createTestNode();
    const [common, own] = [diskImage(24, 1), noise(4 * 65536, 2)];
    const node = createFetchNode(seeder, [seeder]);
    // The same chunks, in a pack of this host's own making.
    await ingestBytes(node, Buffer.concat([common, noise(65536, 7)]), { ref: imageRef('mine') });
    const image = Buffer.concat([common, own]);
    await ingestBytes(seeder, image);
    const { manifest, report } = await fetchImage(node, anyRef);
    expect(report.presentBytes).toBe(0);
    expect(report.bytesBySource).toEqual({ local: common.length, peer: own.length, seeder: 0, origin: 0 });
    const destination = join(directory, 'copied');
    await rebuildImage(node, manifest, destination);
    expect((await readFile(destination)).equals(image)).toBe(true);
  });

  test('does not spread what has rotted in the packs that it copies from', async () => {
    const seeder = createTestNode();
    const image = diskImage(24, 1);
    const { manifest } = await ingestBytes(seeder, image);
    const node = createFetchNode(seeder, [seeder]);
    const rotten = await plantRotten(seeder, manifest, node.store, { rottenChunk: 5, asOther: true });
    const { report } = await fetchImage(node, anyRef);
    expect(report.bytesBySource).toMatchObject({ local: image.length - rotten.bytes, peer: rotten.bytes });
    const present = node.store.present(rotten.pack);
    expect(present && hasChunk(present, rotten.chunk)).toBe(false);
    const destination = join(directory, 'not-spread');
    await rebuildImage(node, manifest, destination);
    expect((await readFile(destination)).equals(image)).toBe(true);
  });
});

describe('a node that is stopped at any instant', () => {
  const image = Buffer.concat([diskImage(24, 1), Buffer.alloc(4 * 65536), noise(10 * 65536, 2), Buffer.alloc(512)]);

  /** Fetches and rebuilds with `onPoint` at every instant; resolves to how much came from peers. */
  async function run(
    node: FetchNode,
    destination: string,
    onPoint: () => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const watched = {
      ...node,
      store: interruptible(node.store, onPoint),
      catalog: interruptible(node.catalog, onPoint),
      swarm: interruptible(createStoreBackedSwarm(interruptible(node.store, onPoint), node.peers), onPoint),
    };
    const { manifest } = await fetchImage(watched, anyRef, { signal });
    await rebuildImage(watched, manifest, destination, { signal, isDurable: false });
  }

  async function expectResumable(node: FetchNode, destination: string): Promise<void> {
    const presentBefore = node.store.usage().presentBytes;
    const { manifest, report } = await fetchImage(node, anyRef);
    expect(report.presentBytes).toBe(presentBefore);
    expect(report.presentBytes + report.bytesBySource.peer).toBe(report.wantedBytes);
    await rebuildImage(node, manifest, destination, { isDurable: false });
    expect((await readFile(destination)).equals(image)).toBe(true);
  }

  test.for(['aborted', 'killed'] as const)(
    'and %s leaves no image under its name, and goes on from there',
    async (how) => {
      const seeder = createTestNode();
      await ingestBytes(seeder, image);
      let stops = 0;
      for (let outcome = 'stopped'; outcome === 'stopped'; stops += 1) {
        const here = await mkdtemp(join(directory, 'stop-'));
        const destination = join(here, 'image');
        const node = createFetchNode(seeder, [seeder]);
        const controller = new AbortController();
        let pointsLeft = stops;
        const isStopped = Promise.withResolvers<string>();
        const isOver = Promise.withResolvers<never>();
        isOver.promise.catch(() => {});
        const onPoint = async (): Promise<void> => {
          if (pointsLeft-- > 0) return;
          controller.abort('enough');
          if (how === 'killed') {
            isStopped.resolve('stopped');
            await isOver.promise; // nothing happens after this instant, as far as the next run can see
          }
        };
        const signal = how === 'aborted' ? controller.signal : undefined;
        const running = run(node, destination, onPoint, signal).then(
          () => 'through',
          (error: unknown) => (error === 'enough' ? 'stopped' : Promise.reject(error)),
        );
        outcome = await Promise.race([running, isStopped.promise]);
        if (outcome === 'through') break;
        const left = await readdir(here);
        expect(left.filter((name) => how === 'aborted' || !/^\.image\.quarry-[0-9a-f]+\.part$/.test(name))).toEqual([]);
        await expectResumable(node, destination);
        isOver.reject('enough');
        await running;
        await rm(here, { recursive: true });
      }
      expect(stops).toBeGreaterThan(40);
    },
  );
});
