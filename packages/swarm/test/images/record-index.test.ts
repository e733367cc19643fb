import { imageLocator } from '@quarry/content';
import type { ImageCatalog, ImageRecord } from '@quarry/content';
import { createMemoryImageCatalog } from '@quarry/content/memory';
import { describe, expect, test } from 'vitest';
import { createRecordIndex } from '../../src/images/record-index.ts';
import type { IndexedImage, RecordIndex } from '../../src/images/record-index.ts';
import { imageOf, publicImageOf, recordOf, signerOf } from './private-world.ts';

const [own, other] = [signerOf(1), signerOf(2)];
const { signal } = new AbortController();

async function indexOf(catalog: ImageCatalog): Promise<{ index: RecordIndex; come: IndexedImage[] }> {
  const come: IndexedImage[] = [];
  const index = createRecordIndex({ catalog, publicKey: own.publicKey, onImage: (image) => come.push(image) });
  await index.start(signal);
  return { index, come };
}

describe('the index of the images of a node', () => {
  test('finds by locator and by manifest what was there before and what comes', async () => {
    const catalog = createMemoryImageCatalog();
    const [before, after] = [imageOf('before'), imageOf('after')];
    await catalog.putRecord(await recordOf(before, own));
    const { index, come } = await indexOf(catalog);
    await catalog.putRecord(await recordOf(after, other));
    for (const { key, manifest } of [before, after]) {
      expect(index.find(imageLocator(key))?.key).toEqual(key);
      expect(index.naming(manifest.id).map((image) => image.key)).toEqual([key]);
    }
    expect(come.map(({ ref, isOwnPrivate }) => [ref, isOwnPrivate])).toEqual([
      ['before', true],
      ['after', false],
    ]);
  });

  test('tells apart what two publishers say of one reference', async () => {
    const catalog = createMemoryImageCatalog();
    const [first, second] = [imageOf('a', { version: 1 }), imageOf('a', { version: 2 })];
    await catalog.putRecord(await recordOf(first, own));
    await catalog.putRecord(await recordOf(second, other));
    const { index } = await indexOf(catalog);
    expect(index.find(imageLocator(first.key))?.isOwnPrivate).toBe(true);
    expect(index.find(imageLocator(second.key))?.isOwnPrivate).toBe(false);
    expect(index.find(imageLocator(imageOf('a').key))).toBeUndefined();
  });

  test('forgets what was removed or replaced, and keeps what a manifest has besides', async () => {
    const catalog = createMemoryImageCatalog();
    const image = imageOf('a');
    const twin = { ...image, key: { ...image.key, ref: imageOf('b').key.ref } };
    await catalog.putRecord(await recordOf(image, own));
    await catalog.putRecord(await recordOf(twin, own));
    const { index } = await indexOf(catalog);
    expect(index.naming(image.manifest.id)).toHaveLength(2);
    await catalog.removeRecords(image.key.ref);
    expect(index.find(imageLocator(image.key))).toBeUndefined();
    expect(index.naming(image.manifest.id).map(({ ref }) => ref)).toEqual(['b']);
    await catalog.putRecord(await recordOf(imageOf('b', { version: 7 }), own, 5000));
    expect(index.naming(image.manifest.id)).toEqual([]);
    expect([...index.all()].map(({ ref }) => ref)).toEqual(['b']);
  });

  test('knows no image without a hash, and public ones as such', async () => {
    const catalog = createMemoryImageCatalog();
    const [open, bare] = [publicImageOf('open'), imageOf('bare')];
    await catalog.putRecord(await recordOf(open, own));
    await catalog.putRecord({ ...(await recordOf(bare, own)), hash: undefined });
    const { index } = await indexOf(catalog);
    expect([...index.all()].map(({ ref, isOwnPrivate }) => [ref, isOwnPrivate])).toEqual([['open', false]]);
    expect(index.naming(bare.manifest.id)).toEqual([]);
  });

  test('has the latest of what changes while the catalog is read', async () => {
    const catalog = createMemoryImageCatalog();
    const [removed, replaced] = [imageOf('a'), imageOf('b')];
    await catalog.putRecord(await recordOf(removed, own));
    await catalog.putRecord(await recordOf(replaced, own));
    const next = imageOf('b', { version: 2 });
    const slow: ImageCatalog = {
      ...catalog,
      async *listRecords(waiting) {
        const all: ImageRecord[] = [];
        for await (const record of catalog.listRecords(waiting)) all.push(record);
        await catalog.removeRecords(removed.key.ref);
        await catalog.putRecord(await recordOf(next, own, 9000));
        yield* all; // as it was when the reading began
      },
    };
    const { index } = await indexOf(slow);
    expect([...index.all()].map(({ key }) => key)).toEqual([next.key]);
  });

  test('hears no more when it has stopped', async () => {
    const catalog = createMemoryImageCatalog();
    const { index, come } = await indexOf(catalog);
    index.stop();
    await catalog.putRecord(await recordOf(imageOf('a'), own));
    expect(come).toEqual([]);
  });
});
