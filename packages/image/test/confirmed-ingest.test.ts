import { createHash } from 'node:crypto';
import { imageRef, limits, publicDomain } from '@quarry/content';
import { describe, expect, test } from 'vitest';
import { ingestImage, readImage, removeImage } from '../src/index.ts';
import type { ImageSource, IngestOptions } from '../src/index.ts';
import { diskImage, noise } from './support/any-image.ts';
import { collect, streamOf } from './support/streams.ts';
import { anyRef, createTestNode, ingestBytes } from './support/test-node.ts';
import type { TestNode } from './support/test-node.ts';

const CHUNK = 65536;
const image = diskImage(40, 1);

/** What a node has to show: packs with what is present of each, and records. */
async function holdings(node: TestNode): Promise<unknown> {
  const packs = [...node.store.inventory()].map(
    ({ pack, present }) => `${pack} ${Buffer.from(present.bits).toString('hex')}`,
  );
  const records: string[] = [];
  for await (const { ref, manifest } of node.catalog.listRecords()) records.push(`${ref} ${manifest}`);
  return { packs: packs.sort(), records, usage: node.store.usage() };
}

function ingest(
  node: TestNode,
  bytes: AsyncIterable<Uint8Array>,
  options: IngestOptions = {},
): ReturnType<typeof ingestImage> {
  const source: ImageSource = { ref: imageRef('snapshot'), domain: publicDomain, bytes, hash: 'sha512' };
  return ingestImage(node, source, { isDurable: false, ...options });
}

describe('an ingest that has to be confirmed', () => {
  test('shows size and hash of a stream of unknown length, and publishes when that is confirmed', async () => {
    const node = createTestNode();
    const seen: unknown[] = [];
    const { record, manifest } = await ingest(node, streamOf(image, [100_000]), {
      confirm: async (each) => {
        seen.push(each);
        expect(await node.catalog.findRecords(imageRef('snapshot'))).toEqual([]);
      },
    });
    const value = createHash('sha512').update(image).digest('hex');
    expect(seen).toEqual([{ imageBytes: image.length, hash: { algorithm: 'sha512', value } }]);
    expect(await node.catalog.findRecords(imageRef('snapshot'))).toEqual([record]);
    expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
  });

  test('leaves what was there before and nothing else when it is refused', async () => {
    const node = createTestNode();
    await ingestBytes(node, image);
    const before = await holdings(node);
    const refused = new Error('Glance did not take it');
    const snapshot = Buffer.concat([image.subarray(0, 20 * CHUNK), noise(30 * CHUNK, 7)]);
    await expect(ingest(node, streamOf(snapshot), { confirm: () => Promise.reject(refused) })).rejects.toBe(refused);
    expect(await holdings(node)).toEqual(before);
  });

  test('keeps, when it is refused, what it shares with an image that another ingest has made of the same packs', async () => {
    const node = createTestNode();
    const refused = new Error('no');
    const confirm = async (): Promise<void> => {
      await ingestBytes(node, image, { ref: imageRef('the same') });
      throw refused;
    };
    await expect(ingest(node, streamOf(image), { confirm })).rejects.toBe(refused);
    const [record] = await node.catalog.findRecords(imageRef('the same'));
    const manifest = record && (await node.catalog.findManifest(record.manifest));
    if (!manifest) throw new Error('the other image is there');
    expect((await collect(readImage(node, manifest))).equals(image)).toBe(true);
  });

  test.for<readonly [string, boolean]>([
    ['its source breaks off', true],
    ['its source breaks off', false],
    ['it is told to stop', true],
  ])(
    'with several packs: when %s nothing new remains only if that is asked for (%s)',
    { timeout: 30_000 },
    async ([how, discardOnFailure]) => {
      const node = createTestNode();
      const before = await holdings(node);
      const controller = new AbortController();
      async function* source(): AsyncGenerator<Uint8Array> {
        for (let turn = 0; turn < 70; turn += 1) yield diskImage(64, turn); // more than one pack holds
        if (how !== 'it is told to stop') throw new Error('reset');
        controller.abort(new Error('told'));
      }
      await expect(ingest(node, source(), { discardOnFailure, signal: controller.signal })).rejects.toThrow(
        /told|reset/,
      );
      if (discardOnFailure) expect(await holdings(node)).toEqual(before);
      else expect(node.store.usage().packs).toBeGreaterThan(0);
    },
  );

  test('keeps the packs that it shares with an image which is removed while it waits', async () => {
    const node = createTestNode();
    await ingestBytes(node, image);
    const snapshot = Buffer.concat([image, noise(4 * CHUNK, 3)]);
    const { manifest } = await ingest(node, streamOf(snapshot), {
      confirm: async () => expect((await removeImage(node, anyRef)).packs).toHaveLength(1),
    });
    expect((await collect(readImage(node, manifest))).equals(snapshot)).toBe(true);
    expect(node.store.usage().packs).toBe(2);
  });

  test.for(['before it begins', 'in the middle', 'because it is too large'])(
    'ends its source when it fails %s',
    async (when) => {
      const node = createTestNode();
      const controller = new AbortController();
      if (when === 'before it begins') controller.abort(new Error('stop'));
      let isEnded = false;
      const pushed: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          async next() {
            if (when === 'in the middle') setImmediate(() => controller.abort(new Error('stop')));
            return { done: false, value: noise(100_000, 1) };
          },
          async return() {
            isEnded = true;
            return { done: true, value: undefined };
          },
        }),
      };
      const imageBytes = when === 'because it is too large' ? limits.maxImageBytes + 1 : undefined;
      const source = { ref: anyRef, domain: publicDomain, bytes: pushed, imageBytes };
      await expect(ingestImage(node, source, { signal: controller.signal })).rejects.toThrow();
      expect(isEnded).toBe(true);
    },
  );
});

describe('removing an image', () => {
  test('takes its records, its manifest and the packs that no other image uses', async () => {
    const node = createTestNode();
    await ingestBytes(node, image);
    const base = await holdings(node);
    const ref = imageRef('snapshot');
    const snapshot = Buffer.concat([image.subarray(0, 30 * CHUNK), noise(10 * CHUNK, 3)]);
    const { manifest } = await ingestBytes(node, snapshot, { ref });
    const removed = await removeImage(node, ref);
    expect(removed).toMatchObject({ records: 1, bytes: 10 * CHUNK, pinnedPacks: [] });
    expect(removed.packs).toEqual(manifest.packs.slice(1));
    expect(await holdings(node)).toEqual(base);
    expect(await node.catalog.findManifest(manifest.id)).toBeUndefined();
    expect(await removeImage(node, ref)).toEqual({ records: 0, packs: [], bytes: 0, pinnedPacks: [] });
  });

  test('leaves what another name of the same image needs, and what is pinned', async () => {
    const node = createTestNode();
    await ingestBytes(node, image);
    const { manifest } = await ingestBytes(node, image, { ref: imageRef('the same') });
    expect(await removeImage(node, anyRef)).toMatchObject({ records: 1, packs: [] });
    await node.store.pin(manifest.packs, 'golden');
    expect(await removeImage(node, imageRef('the same'))).toMatchObject({
      records: 1,
      packs: [],
      pinnedPacks: manifest.packs,
    });
    expect(node.store.usage().packs).toBe(1);
  });

  test('keeps the version that is not meant', async () => {
    const [node, other] = [createTestNode(), createTestNode()];
    await ingestBytes(node, image);
    const { manifest, record } = await ingestBytes(
      { ...other, store: node.store, catalog: node.catalog },
      diskImage(8, 2),
    );
    expect((await removeImage(node, anyRef, { exceptManifest: manifest.id })).packs).toHaveLength(1);
    expect(await node.catalog.findRecords(anyRef)).toEqual([record]);
    expect(node.store.usage().packs).toBe(1);
  });
});
