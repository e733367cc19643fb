import { expect, test } from 'vitest';
import { addChunk, chunksOf, createChunkSet, fullChunkSet } from '../../chunk-set.ts';
import type { ChunkSet } from '../../chunk-set.ts';
import { publicDomain } from '../../ids.ts';
import type { VerifyProgress } from '../../ports/pack-store.ts';
import { digestsOf, samplePack } from '../sample-pack.ts';
import { addWhole, expectBytes, expectCode } from './subject.ts';
import type { Laws, PackStoreHarness } from './subject.ts';

export function droppingLaws({ open, subject }: Laws, { capabilities }: PackStoreHarness): void {
  test('dropped chunks are absent, the others stay, and they can be written anew', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const { id } = pack.descriptor;
    await store.dropChunks(id, chunkSet(11, [1, 4]));
    expect([...chunksOf(store.present(id) ?? createChunkSet(1))]).toEqual([0, 2, 3, 5, 6, 7, 8, 9, 10]);
    expect(store.usage().presentBytes).toBe(pack.bytes.length - pack.chunk(1).length - pack.chunk(4).length);
    await expectCode(store.readChunks(id, 0, 2), 'STORE_CHUNK_ABSENT');
    expectBytes(await store.readChunks(id, 5, 6), pack.run(5, 6));
    expect(await store.findChunks(digestsOf(pack, [1]), { domains: [publicDomain] })).toEqual([undefined]);
    await store.writePiece(pack.piece(0));
    await store.writePiece(pack.piece(1, 0b0001));
    expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
    expect(store.usage().presentBytes).toBe(pack.bytes.length);
  });

  test('listeners hear of a drop, and of the chunks when they come back', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const told: unknown[] = [];
    store.onAbsent((id) => told.push(id));
    store.onPresent((id, piece, mask) => told.push([id, piece, mask]));
    await store.dropChunks(pack.descriptor.id, chunkSet(11, [1]));
    await store.writePiece(pack.piece(0));
    expect(told).toEqual([pack.descriptor.id, [pack.descriptor.id, 0, 0b0010]]);
  });

  test('absent chunks and unknown packs are passed over', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const told: unknown[] = [];
    store.onAbsent((id) => told.push(id));
    await store.dropChunks(pack.descriptor.id, fullChunkSet(11));
    await store.addPack(pack.descriptor);
    await store.dropChunks(pack.descriptor.id, fullChunkSet(11));
    expect(told).toEqual([]);
  });

  test('a good store verifies wholly, and says how far it is', async () => {
    const store = await open();
    const packs = [await addWhole(store, { seed: 1 }), await addWhole(store, { seed: 2 })];
    const partial = samplePack({ seed: 3 });
    await store.addPack(partial.descriptor);
    await store.writePiece(partial.piece(0, 0b0101));
    const seen: VerifyProgress[] = [];
    const report = await store.verify({ onProgress: (progress) => seen.push(progress) });
    const totalBytes = 2 * (packs[0]?.bytes.length ?? 0) + partial.chunk(0).length + partial.chunk(2).length;
    expect(report).toEqual({ packs: 3, checkedChunks: 24, checkedBytes: totalBytes, badChunks: [], strayFiles: [] });
    expect(seen.at(-1)).toEqual({ checkedBytes: totalBytes, totalBytes });
    expect(seen.map(({ checkedBytes }) => checkedBytes)).toEqual(seen.map((p) => p.checkedBytes).sort((a, b) => a - b));
  });

  // a law that says nothing of what does not last is not a test left out
  if (capabilities.isDamageable) {
    test('verify finds what was damaged, drops it and keeps the rest', async () => {
      const { store, damage } = await subject();
      const pack = await addWhole(store, { seed: 1 });
      const other = await addWhole(store, { seed: 2 });
      const { id } = pack.descriptor;
      await store.sync();
      await damage?.(id, 6);
      const told: string[] = [];
      store.onAbsent((absent) => told.push(absent));
      const report = await store.verify();
      expect(report.badChunks).toEqual([{ pack: id, chunk: 6 }]);
      expect(report.checkedChunks).toBe(22);
      expect(told).toEqual([id]);
      await expectCode(store.readChunks(id, 6, 1), 'STORE_CHUNK_ABSENT');
      expectBytes(await store.readChunks(id, 7, 4), pack.run(7, 4));
      expectBytes(await store.readChunks(other.descriptor.id, 0, 11), other.bytes);
      await store.writePiece(pack.piece(1));
      expect((await store.verify()).badChunks).toEqual([]);
      expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
    });
  }
}

function chunkSet(chunkCount: number, chunks: readonly number[]): ChunkSet {
  const set = createChunkSet(chunkCount);
  for (const chunk of chunks) addChunk(set, chunk);
  return set;
}
