import { cdc64k, createManifestBuilder, limits, publicDomain } from '@quarry/content';
import type { ManifestBuilder, PackStore } from '@quarry/content';
import { createMemoryPackStore } from '@quarry/content/memory';
import { describe, expect, test } from 'vitest';
import { createChunkPlacer } from '../src/chunk-placer.ts';
import { createCompute } from '../src/threads/compute.ts';

const compute = createCompute({ maxThreads: 0 });
const options = { domain: publicDomain, domains: [publicDomain] };

/** Eight bytes that no other number has. */
function chunk(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(number + 1);
  return bytes;
}

/** A builder that takes chunks as small as these, and says which of which pack they are. */
function createListingBuilder(): ManifestBuilder & { readonly places: string[] } {
  const places: string[] = [];
  return {
    ...createManifestBuilder({ domain: publicDomain, cutter: cdc64k }),
    places,
    addZeros: (length) => void places.push(`${length} zeros`),
    addChunk: (pack, number) => void places.push(`${pack.slice(0, 8)} ${number}`),
  };
}

/** Answers as the store does, but only when `gate` opens. */
function slowToAnswer(store: PackStore, gate: () => Promise<void>): PackStore {
  return {
    ...store,
    async findChunks(digests, asked) {
      const answer = await store.findChunks(digests, asked);
      await gate();
      return answer;
    },
  };
}

describe('a chunk placer', () => {
  test('stores a chunk once although its pack was finished between question and answer', async () => {
    const store = createMemoryPackStore();
    let questions = 0;
    const untilFinished = async (): Promise<void> => {
      questions += 1;
      if (questions === 1) return;
      while (store.usage().packs === 0) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    };
    const placer = createChunkPlacer({ store: slowToAnswer(store, untilFinished), compute }, options);
    for (let number = 0; number < limits.maxChunksPerPack; number += 1) placer.add([chunk(number)]);
    await placer.endBatch(() => {});
    placer.add([chunk(7)]); // asked for while its pack is not yet begun
    await placer.endBatch(() => {});
    placer.add([chunk(8)]);
    await placer.endBatch(() => {});
    const builder = createListingBuilder();
    expect(await placer.finish(builder)).toMatchObject({ newPacks: 1, newBytes: 8 * 4096, repeatedBytes: 16 });
    const [pack] = [...store.inventory()].map((each) => each.pack.slice(0, 8));
    expect(builder.places.slice(4096)).toEqual([`${pack} 7`, `${pack} 8`]);
  });

  test('goes on from pack to pack, and finds again what lies in each of them', async () => {
    const store = createMemoryPackStore();
    const placer = createChunkPlacer({ store, compute }, options);
    const numbers = [...Array.from({ length: 9000 }, (_, i) => i), 3, 5000, 8999, 4095, 4096];
    for (const [i, number] of numbers.entries()) {
      placer.add([chunk(number)]);
      if (i % 100 === 99) await placer.endBatch(() => {});
    }
    await placer.endBatch(() => {});
    const builder = createListingBuilder();
    expect(await placer.finish(builder)).toMatchObject({ newPacks: 3, newBytes: 8 * 9000, repeatedBytes: 8 * 5 });
    const { places } = builder;
    expect(places.slice(9000)).toEqual([places[3], places[5000], places[8999], places[4095], places[4096]]);
    expect(new Set(places.slice(0, 9000)).size).toBe(9000);
  });

  test('says when the bytes of a batch are no longer needed, also of one that has nothing new', async () => {
    const placer = createChunkPlacer({ store: createMemoryPackStore(), compute }, options);
    const written: string[] = [];
    for (const [name, number] of [
      ['new', 1],
      ['the same', 1],
      ['zeros', -1],
    ] as const) {
      placer.add([chunk(number)]);
      await placer.endBatch(() => written.push(name));
    }
    await placer.finish(createListingBuilder());
    expect(written).toEqual(['new', 'the same', 'zeros']);
  });
});
