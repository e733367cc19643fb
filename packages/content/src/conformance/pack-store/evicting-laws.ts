import { expect, test } from 'vitest';
import { countChunks } from '../../chunk-set.ts';
import { samplePack } from '../sample-pack.ts';
import { addWhole, expectBytes, expectCode, knownIds } from './subject.ts';
import type { Laws } from './subject.ts';

export function evictingLaws({ open }: Laws): void {
  test('nothing is evicted while everything fits', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    expect(await store.evict(pack.bytes.length)).toEqual({
      evictedPacks: 0,
      evictedBytes: 0,
      keptBytes: pack.bytes.length,
      heldBytes: 0,
    });
    expect(knownIds(store)).toEqual([pack.descriptor.id]);
  });

  test('packs go in the order of their last use until the rest fits', async () => {
    const store = await open();
    const [a, b, c] = [
      await addWhole(store, { seed: 1 }),
      await addWhole(store, { seed: 2 }),
      await addWhole(store, { seed: 3 }),
    ];
    await store.readPiece(a.descriptor.id, 0, 1);
    const report = await store.evict(2 * a.bytes.length);
    expect(report).toEqual({
      evictedPacks: 1,
      evictedBytes: b.bytes.length,
      keptBytes: a.bytes.length + c.bytes.length,
      heldBytes: 0,
    });
    expect(knownIds(store)).toEqual([a.descriptor.id, c.descriptor.id].sort());
  });

  test.for(['readChunks', 'writePiece', 'lease'] as const)('%s counts as use', async (use) => {
    const store = await open();
    const used = samplePack({ seed: 1 });
    await store.addPack(used.descriptor);
    await store.writePiece(used.piece(0));
    const other = await addWhole(store, { seed: 2 });
    if (use === 'readChunks') await store.readChunks(used.descriptor.id, 0, 1);
    else if (use === 'writePiece') await store.writePiece(used.piece(1));
    else store.lease([used.descriptor.id]).release();
    await store.evict(store.usage().presentBytes - 1);
    expect(knownIds(store)).toEqual([used.descriptor.id]);
    expect(await store.findPack(other.descriptor.id)).toBeUndefined();
  });

  test('an evicted pack is forgotten, its descriptor too', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const { id } = pack.descriptor;
    await store.evict(0);
    expect(store.present(id)).toBeUndefined();
    expect(await store.findPack(id)).toBeUndefined();
    await expectCode(store.readChunks(id, 0, 1), 'STORE_PACK_UNKNOWN');
    await expectCode(store.writePiece(pack.piece(0)), 'STORE_PACK_UNKNOWN');
    expect(store.usage()).toMatchObject({ packs: 0, presentBytes: 0, pinnedPacks: 0 });
  });

  test('an evicted pack can be added again and is empty then', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const { id } = pack.descriptor;
    await store.evict(0);
    await store.addPack(pack.descriptor);
    expect(countChunks(store.present(id) ?? { chunkCount: 0, bits: Uint8Array.of(0xff) })).toBe(0);
    await expectCode(store.readChunks(id, 0, 1), 'STORE_CHUNK_ABSENT');
    await store.writePiece(pack.piece(1));
    expectBytes(await store.readPiece(id, 1, 0b1111), pack.run(4, 4));
  });

  test('a pack that is added at the moment of its eviction is whole or empty, and can be written', async () => {
    const store = await open();
    for (let round = 0; round < 10; round += 1) {
      const pack = await addWhole(store, { seed: 1 });
      const { id } = pack.descriptor;
      await Promise.all([store.evict(0), store.addPack(pack.descriptor)]);
      const known = store.present(id);
      expect(known && [0, 11].includes(countChunks(known))).toBe(true);
      await store.writePiece(pack.piece(1));
      expectBytes(await store.readPiece(id, 1, 0b1111), pack.run(4, 4));
      await store.evict(0);
    }
  });

  test('a leased pack is kept until the last of its leases is released', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const [first, second] = [store.lease([pack.descriptor.id]), store.lease([pack.descriptor.id])];
    first.release();
    first.release();
    expect(await store.evict(0)).toEqual({
      evictedPacks: 0,
      evictedBytes: 0,
      keptBytes: pack.bytes.length,
      heldBytes: pack.bytes.length,
    });
    second.release();
    expect(await store.evict(0)).toMatchObject({ evictedPacks: 1, keptBytes: 0, heldBytes: 0 });
  });

  test('a lease holds also a pack that becomes known later', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const lease = store.lease([pack.descriptor.id]);
    await addWhole(store, { seed: 1 });
    expect(await store.evict(0)).toMatchObject({ evictedPacks: 0 });
    lease.release();
    expect(await store.evict(0)).toMatchObject({ evictedPacks: 1 });
  });

  test('a pinned pack is kept until its last reason is taken away', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    await store.pin([pack.descriptor.id], 'image a');
    await store.pin([pack.descriptor.id], 'image b');
    expect(store.usage().pinnedPacks).toBe(1);
    await store.unpin('image a');
    expect(await store.evict(0)).toMatchObject({ evictedPacks: 0, heldBytes: pack.bytes.length });
    await store.unpin('image b');
    await store.unpin('never pinned');
    expect(store.usage().pinnedPacks).toBe(0);
    expect(await store.evict(0)).toMatchObject({ evictedPacks: 1 });
  });

  test('pinning again under one reason adds packs, and pins hold packs that become known later', async () => {
    const store = await open();
    const [a, b] = [samplePack({ seed: 1 }), samplePack({ seed: 2 })];
    await store.pin([a.descriptor.id], 'golden');
    await store.pin([b.descriptor.id, a.descriptor.id], 'golden');
    expect(await store.pins()).toEqual(new Map([['golden', [a.descriptor.id, b.descriptor.id]]]));
    expect(store.usage().pinnedPacks).toBe(0);
    await addWhole(store, { seed: 2 });
    expect(store.usage().pinnedPacks).toBe(1);
    expect(await store.evict(0)).toMatchObject({ evictedPacks: 0 });
  });

  test('what cannot be evicted is passed over, and others go in its stead', async () => {
    const store = await open();
    const oldest = await addWhole(store, { seed: 1 });
    await addWhole(store, { seed: 2 });
    await store.pin([oldest.descriptor.id], 'golden');
    await addWhole(store, { seed: 3 });
    const report = await store.evict(oldest.bytes.length);
    expect(report).toMatchObject({ evictedPacks: 2, keptBytes: oldest.bytes.length, heldBytes: oldest.bytes.length });
    expect(knownIds(store)).toEqual([oldest.descriptor.id]);
  });

  test('listeners hear of each evicted pack once, until they stop', async () => {
    const store = await open();
    const [a, b] = [await addWhole(store, { seed: 1 }), await addWhole(store, { seed: 2 })];
    const told: string[] = [];
    const stop = store.onAbsent((pack) => told.push(pack));
    await store.evict(b.bytes.length);
    expect(told).toEqual([a.descriptor.id]);
    stop();
    await store.evict(0);
    expect(told).toEqual([a.descriptor.id]);
  });

  test('a read under way when its pack is evicted gets the right bytes or an error, never others', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1, chunkCount: 64 });
    const { id } = pack.descriptor;
    for (let round = 0; round < 20; round += 1) {
      await addWhole(store, { seed: 1, chunkCount: 64 });
      const reads = Array.from({ length: 16 }, (_, piece) => store.readPiece(id, piece, 0b1111));
      const [, ...outcomes] = await Promise.allSettled([store.evict(0), ...reads]);
      for (const [piece, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') expectBytes(outcome.value, pack.run(piece * 4, 4));
        else expect(['STORE_CHUNK_ABSENT', 'STORE_PACK_UNKNOWN']).toContain(outcome.reason.code);
      }
    }
  });
}
