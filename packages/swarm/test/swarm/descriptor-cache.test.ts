import { createMemoryPackStore } from '@quarry/content/memory';
import { samplePack } from '@quarry/content/conformance';
import { expect, test } from 'vitest';
import { createDescriptorCache } from '../../src/transfer/read-for-sending.ts';

test('a pack that was discarded is shown to nobody, though a reader on this host still has it', async () => {
  const store = createMemoryPackStore();
  const { descriptor } = samplePack({ seed: 1 });
  const { id } = descriptor;
  const cache = createDescriptorCache(store, { maxEntries: 8 });
  await store.addPack(descriptor);
  expect(await cache.find(id, {})).toEqual(descriptor);
  const lease = store.lease([id]);
  await store.discard([id]);
  expect(await store.findPack(id)).toEqual(descriptor);
  expect(await cache.find(id, {})).toBeUndefined();
  await store.addPack(descriptor);
  expect(await cache.find(id, {})).toEqual(descriptor);
  lease.release();
});
