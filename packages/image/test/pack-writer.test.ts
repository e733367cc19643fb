import { chunkDigest, digestOf, limits, publicDomain } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { createMemoryPackStore } from '@quarry/content/memory';
import { describe, expect, test } from 'vitest';
import { createPackWriter } from '../src/pack-writer.ts';
import { createCompute } from '../src/threads/compute.ts';

const compute = createCompute({ maxThreads: 0 });
const options = { domain: publicDomain, encoding: 'off' as const, maxChunksToCome: () => Infinity };

function chunk(number: number): { readonly key: string; readonly bytes: Buffer; readonly digest: Uint8Array } {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(number + 1);
  return { key: `${number}`, bytes, digest: digestOf(bytes) };
}

describe('a pack writer', () => {
  test('fills packs one after another, in the order in which chunks are added', async () => {
    const store = createMemoryPackStore();
    const held: PackId[] = [];
    const writer = createPackWriter({ store, compute }, { ...options, onPack: (pack) => held.push(pack) });
    const count = 2 * limits.maxChunksPerPack + 100;
    for (let number = 0; number < count; number += 1) {
      const { key, bytes, digest } = chunk(number);
      const location = { packNumber: Math.floor(number / 4096), chunk: number % 4096 };
      expect(writer.add(key, digest, bytes)).toEqual(location);
      expect(writer.find(key)).toEqual(location);
      if (number % 1000 === 0) await writer.room();
    }
    const ids = await writer.finish();
    expect(held).toEqual(ids);
    expect(await Promise.all(ids.map(async (id) => (await store.findPack(id))?.chunkCount))).toEqual([4096, 4096, 100]);
    for (const number of [0, 4095, 4096, 8191, 8192, count - 1]) {
      const pack = ids[Math.floor(number / 4096)] as PackId;
      const { bytes, digest } = chunk(number);
      const descriptor = await store.findPack(pack);
      expect(descriptor && Buffer.from(chunkDigest(descriptor, number % 4096))).toEqual(Buffer.from(digest));
      expect(Buffer.from(await store.readChunks(pack, number % 4096, 1))).toEqual(bytes);
    }
  });

  test('knows a chunk until it is told that the store does', async () => {
    const store = createMemoryPackStore();
    const writer = createPackWriter({ store, compute }, { ...options, onPack: () => {} });
    for (let number = 0; number < limits.maxChunksPerPack; number += 1) {
      const { key, bytes, digest } = chunk(number);
      writer.add(key, digest, bytes);
    }
    const ids = await writer.finish();
    expect(writer.finishedPacks).toBe(1);
    expect(await store.findChunks(chunk(7).digest, { domains: [publicDomain] })).toEqual([{ pack: ids[0], chunk: 7 }]);
    expect(writer.find('7')).toEqual({ packNumber: 0, chunk: 7 });
    writer.forget(0);
    expect(writer.find('7')).toBeDefined();
    writer.forget(1);
    expect(writer.find('7')).toBeUndefined();
  });

  test('tells when what was added is written, in order', async () => {
    const writer = createPackWriter({ store: createMemoryPackStore(), compute }, { ...options, onPack: () => {} });
    const written: string[] = [];
    writer.whenWritten(() => written.push('nothing'));
    expect(written).toEqual(['nothing']);
    for (const number of [1, 2, 3]) {
      const { key, bytes, digest } = chunk(number);
      writer.add(key, digest, bytes);
      writer.whenWritten(() => written.push(key));
    }
    expect(written).toEqual(['nothing']);
    await writer.finish();
    expect(written).toEqual(['nothing', '1', '2', '3']);
  });

  test('leaves finished packs and drops the one that is not full when it is discarded', async () => {
    const store = createMemoryPackStore();
    const writer = createPackWriter({ store, compute }, { ...options, onPack: () => {} });
    for (let number = 0; number < limits.maxChunksPerPack + 5; number += 1) {
      const { key, bytes, digest } = chunk(number);
      writer.add(key, digest, bytes);
    }
    while (writer.finishedPacks === 0) await new Promise((resolve) => setImmediate(resolve));
    await writer.discard();
    expect(store.usage()).toMatchObject({ packs: 1, presentBytes: 8 * limits.maxChunksPerPack });
  });

  test('with nothing added makes no pack', async () => {
    const store = createMemoryPackStore();
    const writer = createPackWriter({ store, compute }, { ...options, onPack: () => {} });
    expect(await writer.finish()).toEqual([]);
    expect(store.usage().packs).toBe(0);
  });
});
