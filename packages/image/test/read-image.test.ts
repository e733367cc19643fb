import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readImage } from '../src/index.ts';
import { anyImage, diskImage, noise } from './support/any-image.ts';
import { createFetchNode } from './support/fetch-node.ts';
import { plantRotten } from './support/rotten-pack.ts';
import { collect } from './support/streams.ts';
import { createTestNode, ingestBytes } from './support/test-node.ts';

describe('reading an image', () => {
  test('gives exactly the bytes asked for, whatever lies at the ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyImage,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (image, from, share) => {
          const node = createTestNode();
          const { manifest } = await ingestBytes(node, image);
          const offset = Math.floor(from * image.length);
          const length = Math.floor(share * (image.length - offset));
          const read = await collect(readImage(node, manifest, { offset, length }));
          expect(read.equals(image.subarray(offset, offset + length))).toBe(true);
          expect((await collect(readImage(node, manifest, { offset }))).equals(image.subarray(offset))).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  }, 30_000);

  test('never gives a buffer that is empty or larger than 1 MiB', async () => {
    const node = createTestNode();
    const image = Buffer.concat([diskImage(33, 1), Buffer.alloc(5 << 20), noise(1 << 20, 3)]);
    const { manifest } = await ingestBytes(node, image);
    const lengths: number[] = [];
    for await (const buffer of readImage(node, manifest, { offset: 1, length: image.length - 2 }))
      lengths.push(buffer.length);
    expect(Math.min(...lengths)).toBeGreaterThan(0);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1 << 20);
  });

  test('reads no pack that the part asked for does not lie in', async () => {
    const seeder = createTestNode();
    const node = createTestNode();
    const { manifest } = await ingestBytes(seeder, diskImage(8, 1));
    const { chunk } = await plantRotten(seeder, manifest, node.store, { rottenChunk: 6 });
    expect((await collect(readImage(node, manifest, { length: chunk * 65536 }))).length).toBe(chunk * 65536);
    await expect(
      collect(readImage(node, manifest, { offset: chunk * 65536 + 65535, length: 1 })),
    ).rejects.toMatchObject({
      code: 'IMAGE_CHUNK_BAD',
    });
  });

  test('goes on through a chunk that has rotted, with one from a peer', async () => {
    const seeder = createTestNode();
    const node = createFetchNode(seeder, [seeder]);
    const image = diskImage(8, 1);
    const { manifest } = await ingestBytes(seeder, image);
    await plantRotten(seeder, manifest, node.store, { rottenChunk: 6 });
    expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
  });

  test.for([
    [-1, 1],
    [0, 524289],
    [524288, 1],
    [0.5, 1],
    [0, -1],
    [Number.NaN, 1],
  ])('from %d for %d bytes is refused: the image has 524,288', async ([offset = 0, length = 0]) => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, diskImage(8, 1));
    await expect(collect(readImage(node, manifest, { offset, length }))).rejects.toMatchObject({
      code: 'IMAGE_BAD_RANGE',
    });
  });

  test('lets go of its packs when it is left early, or aborted', async () => {
    const node = createTestNode();
    const { manifest } = await ingestBytes(node, diskImage(64, 1));
    for await (const buffer of readImage(node, manifest)) {
      expect(buffer.length).toBeGreaterThan(0);
      expect((await node.store.evict(0)).evictedPacks).toBe(0);
      break;
    }
    const controller = new AbortController();
    await expect(
      (async () => {
        for await (const _ of readImage(node, manifest, { signal: controller.signal })) controller.abort('enough');
      })(),
    ).rejects.toBe('enough');
    expect((await node.store.evict(0)).evictedPacks).toBe(1);
  });
});
