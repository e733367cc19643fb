import { expect, test } from 'vitest';
import { countChunks } from '../../chunk-set.ts';
import { publicDomain } from '../../ids.ts';
import type { PackId } from '../../ids.ts';
import type { PackStore } from '../../ports/pack-store.ts';
import { digestsOf, samplePack } from '../sample-pack.ts';
import type { SamplePack } from '../sample-pack.ts';
import { addWhole, expectBytes, expectCode, knownIds } from './subject.ts';
import type { Laws, PackStoreHarness } from './subject.ts';

const domains = [publicDomain];

export function discardingLaws({ open, subject }: Laws, { capabilities }: PackStoreHarness): void {
  test('a discarded pack is forgotten with its bytes, others are not, and listeners hear of it once', async () => {
    const store = await open();
    const [pack, other] = [await addWhole(store, { seed: 1 }), await addWhole(store, { seed: 2 })];
    const { id } = pack.descriptor;
    const told: string[] = [];
    store.onAbsent((absent) => told.push(absent));
    expect(await store.discard([id, id])).toEqual({
      removedPacks: [id],
      heldPacks: [],
      pinnedPacks: [],
      bytes: pack.bytes.length,
    });
    await expectForgotten(store, pack);
    expect(await store.findPack(id)).toBeUndefined();
    await expectCode(store.readChunks(id, 0, 1), 'STORE_PACK_UNKNOWN');
    expect(told).toEqual([id]);
    expect(knownIds(store)).toEqual([other.descriptor.id]);
    expect(store.usage()).toMatchObject({ packs: 1, presentBytes: other.bytes.length });
    expectBytes(await store.readChunks(other.descriptor.id, 0, 11), other.bytes);
  });

  test('unknown packs are passed over', async () => {
    const store = await open();
    const told: string[] = [];
    store.onAbsent((absent) => told.push(absent));
    const nothing = { removedPacks: [], heldPacks: [], pinnedPacks: [], bytes: 0 };
    expect(await store.discard([samplePack({ seed: 1 }).descriptor.id])).toEqual(nothing);
    expect(told).toEqual([]);
  });

  test('a pinned pack stays as it is, and goes when it is discarded without its pins', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const { id } = pack.descriptor;
    await store.pin([id], 'golden');
    expect(await store.discard([id])).toEqual({ removedPacks: [], heldPacks: [], pinnedPacks: [id], bytes: 0 });
    expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
    expect(knownIds(store)).toEqual([id]);
    await store.unpin('golden');
    expect(await store.discard([id])).toMatchObject({ removedPacks: [id] });
    await expectForgotten(store, pack);
  });

  test('a leased pack is gone for others at once, and can be read until its last lease is released', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const { id } = pack.descriptor;
    const [first, second] = [store.lease([id]), store.lease([id])];
    const told: string[] = [];
    store.onAbsent((absent) => told.push(absent));
    expect(await store.discard([id])).toEqual({
      removedPacks: [],
      heldPacks: [id],
      pinnedPacks: [],
      bytes: pack.bytes.length,
    });
    expect(told).toEqual([id]);
    await expectForgotten(store, pack);
    expect(store.usage()).toMatchObject({ packs: 0, presentBytes: 0, storedBytes: 0 });
    expect(await store.discard([id])).toMatchObject({ removedPacks: [], heldPacks: [] });
    first.release();
    expect((await store.findPack(id))?.id).toBe(id);
    expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
    expectBytes(await store.readPiece(id, 1, 0b1111), pack.run(4, 4));
    await store.lendChunks?.(id, 0, 11, async ({ parts }) => expect(parts).not.toEqual([]));
    second.release();
    await untilRemoved(store, id);
    expect(told).toEqual([id]);
  });

  test('a pack that is wanted again while somebody still reads it has what it had', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(0));
    const lease = store.lease([id]);
    await store.discard([id]);
    const told: unknown[] = [];
    store.onPresent((...present) => told.push(present));
    await store.addPack(pack.descriptor);
    expect(told).toEqual([[id, 0, 0b1111]]);
    lease.release();
    expect(knownIds(store)).toEqual([id]);
    await store.writePiece(pack.piece(1));
    expectBytes(await store.readChunks(id, 0, 8), pack.run(0, 8));
    expect(await store.findChunks(digestsOf(pack, [2]), { domains })).toEqual([{ pack: id, chunk: 2 }]);
    expect(await store.evict(0)).toMatchObject({ evictedPacks: 1 });
  });

  test('a pack that is wanted again afterwards is empty, and can be written', async () => {
    const store = await open();
    for (const isLeased of [false, true]) {
      const pack = await addWhole(store, { seed: 1 });
      const { id } = pack.descriptor;
      const lease = store.lease(isLeased ? [id] : []);
      await store.discard([id]);
      lease.release();
      await untilRemoved(store, id);
      await store.addPack(pack.descriptor);
      expect(countChunks(store.present(id) ?? { chunkCount: 8, bits: Uint8Array.of(0xff) })).toBe(0);
      await expectCode(store.readChunks(id, 0, 1), 'STORE_CHUNK_ABSENT');
      await store.writePiece(pack.piece(1));
      expectBytes(await store.readPiece(id, 1, 0b1111), pack.run(4, 4));
      expect(await store.findChunks(digestsOf(pack, [0, 5]), { domains })).toEqual([undefined, { pack: id, chunk: 5 }]);
    }
  });

  test('a pack that is added at the moment when it is discarded is whole, empty or unknown, and can be written', async () => {
    const store = await open();
    for (let round = 0; round < 10; round += 1) {
      const pack = await addWhole(store, { seed: 1 });
      const { id } = pack.descriptor;
      const lease = store.lease(round % 2 === 0 ? [id] : []);
      const discarding = store.discard([id]);
      lease.release();
      await Promise.all([discarding, store.addPack(pack.descriptor)]);
      await store.addPack(pack.descriptor);
      const known = store.present(id);
      expect(known && [0, 11].includes(countChunks(known))).toBe(true);
      await store.writePiece(pack.piece(1));
      expectBytes(await store.readPiece(id, 1, 0b1111), pack.run(4, 4));
      await store.evict(0);
    }
  });

  test('a read under way when its pack is discarded gets the right bytes or an error, never others', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1, chunkCount: 64 });
    const { id } = pack.descriptor;
    for (let round = 0; round < 10; round += 1) {
      await addWhole(store, { seed: 1, chunkCount: 64 });
      const reads = Array.from({ length: 16 }, (_, piece) => store.readPiece(id, piece, 0b1111));
      const [, ...outcomes] = await Promise.allSettled([store.discard([id]), ...reads]);
      for (const [piece, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') expectBytes(outcome.value, pack.run(piece * 4, 4));
        else expect(['STORE_CHUNK_ABSENT', 'STORE_PACK_UNKNOWN']).toContain(outcome.reason.code);
      }
    }
  });

  // a law that says nothing of what does not last is not a test left out
  if (capabilities.isDurable) {
    test('a discarded pack does not come back with the next start, leased or not, and one that was wanted again does', async () => {
      const { store, reopen } = await subject();
      const packs: SamplePack[] = [];
      for (const seed of [1, 2, 3]) packs.push(await addWhole(store, { seed }));
      await store.sync();
      const [gone, leased, again] = packs as [SamplePack, SamplePack, SamplePack];
      store.lease([leased.descriptor.id, again.descriptor.id]);
      await store.discard(packs.map(({ descriptor }) => descriptor.id));
      await store.addPack(again.descriptor);
      const reopened = await reopen?.();
      if (!reopened) throw new TypeError('a durable store can be reopened');
      for (const pack of [gone, leased]) await expectForgotten(reopened, pack);
      expect(await reopened.findPack(leased.descriptor.id)).toBeUndefined();
      expectBytes(await reopened.readChunks(again.descriptor.id, 0, 11), again.bytes);
      expect((await reopened.verify()).strayFiles).toEqual([]);
    });
  }
}

/** For everybody who holds no lease. */
async function expectForgotten(store: PackStore, pack: SamplePack): Promise<void> {
  const { id } = pack.descriptor;
  expect(knownIds(store)).not.toContain(id);
  expect(store.present(id)).toBeUndefined();
  expect(await store.findChunks(digestsOf(pack, [0]), { domains, allowAbsent: true })).toEqual([undefined]);
  await expectCode(store.readStored(id, 0), 'STORE_PACK_UNKNOWN');
  await expectCode(store.writePiece(pack.piece(0)), 'STORE_PACK_UNKNOWN');
}

/** The end of a lease waits for nobody; every question to the store takes a turn. */
async function untilRemoved(store: PackStore, id: PackId): Promise<void> {
  while (await store.findPack(id)) await store.sync();
}
