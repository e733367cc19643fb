import { expect, test } from 'vitest';
import { chunksOf, createChunkSet, fullChunkSet } from '../../chunk-set.ts';
import { domain, publicDomain } from '../../ids.ts';
import type { PackStore } from '../../ports/pack-store.ts';
import { digestsOf, samplePack, unsalted } from '../sample-pack.ts';
import { addWhole, expectBytes, knownIds } from './subject.ts';
import type { Laws, PackStoreSubject } from './subject.ts';

export function reopeningLaws({ subject }: Laws): void {
  const reopened = async ({ reopen }: PackStoreSubject): Promise<PackStore> => {
    if (!reopen) throw new TypeError('a durable store can be reopened');
    return await reopen();
  };

  test('reopening keeps packs, what is present of them, and what is found', async () => {
    const subjectStore = await subject();
    const whole = await addWhole(subjectStore.store, { seed: 1 });
    const partial = samplePack({ seed: 2 });
    await subjectStore.store.addPack(partial.descriptor);
    await subjectStore.store.writePiece(partial.piece(1, 0b0110));
    const usage = subjectStore.store.usage();
    const store = await reopened(subjectStore);
    expect(store.usage()).toEqual(usage);
    expectBytes(await store.readChunks(whole.descriptor.id, 0, 11), whole.bytes);
    expect([...chunksOf(store.present(partial.descriptor.id) ?? createChunkSet(1))]).toEqual([5, 6]);
    expectBytes(await store.readPiece(partial.descriptor.id, 1, 0b0110), partial.run(5, 2));
    expect((await store.findPack(partial.descriptor.id))?.offsets).toEqual(partial.descriptor.offsets);
    expect(await store.findChunks(digestsOf(whole, [3]), { domains: [publicDomain] })).toEqual([
      { pack: whole.descriptor.id, chunk: 3 },
    ]);
    await store.writePiece(partial.piece(1));
    expectBytes(await store.readChunks(partial.descriptor.id, 4, 4), partial.run(4, 4));
  });

  test('reopening keeps who may have a pack', async () => {
    const subjectStore = await subject();
    const ours = await addWhole(subjectStore.store, { seed: 1, domain: domain('project:red') });
    const older = unsalted(ours.descriptor);
    await subjectStore.store.addPack(older);
    const { secret } = ours.descriptor;
    const store = await reopened(subjectStore);
    expect(store.access(ours.descriptor.id)).toEqual({ kind: 'secret', secret });
    expect(await store.findPack(ours.descriptor.id)).toEqual(ours.descriptor);
    expect(store.access(older.id)).toEqual({ kind: 'closed' });
    expectBytes(await store.readChunks(ours.descriptor.id, 0, 11), ours.bytes);
  });

  test('a staged pack is there after reopening, an unfinished stage is not', async () => {
    const subjectStore = await subject();
    const pack = samplePack({ seed: 1 });
    const stage = await subjectStore.store.stagePack();
    await stage.append([pack.bytes]);
    await stage.finish(pack.descriptor);
    const unfinished = await subjectStore.store.stagePack();
    await unfinished.append([pack.bytes]);
    const store = await reopened(subjectStore);
    expect(knownIds(store)).toEqual([pack.descriptor.id]);
    expectBytes(await store.readChunks(pack.descriptor.id, 0, 11), pack.bytes);
    expect((await store.verify()).strayFiles).toEqual([]);
  });

  test('pins survive, leases do not', async () => {
    const subjectStore = await subject();
    const pinned = await addWhole(subjectStore.store, { seed: 1 });
    const leased = await addWhole(subjectStore.store, { seed: 2 });
    await subjectStore.store.pin([pinned.descriptor.id], 'golden');
    subjectStore.store.lease([leased.descriptor.id]);
    const store = await reopened(subjectStore);
    expect(await store.pins()).toEqual(new Map([['golden', [pinned.descriptor.id]]]));
    expect(store.usage().pinnedPacks).toBe(1);
    await store.evict(0);
    expect(knownIds(store)).toEqual([pinned.descriptor.id]);
    await store.unpin('golden');
    const again = await reopened({ ...subjectStore, store });
    expect(await again.pins()).toEqual(new Map());
  });

  test('the order of use survives', async () => {
    const subjectStore = await subject();
    const a = await addWhole(subjectStore.store, { seed: 1 });
    const b = await addWhole(subjectStore.store, { seed: 2 });
    await subjectStore.store.sync();
    await subjectStore.store.readChunks(a.descriptor.id, 0, 1);
    const store = await reopened(subjectStore);
    await store.evict(a.bytes.length);
    expect(knownIds(store)).toEqual([a.descriptor.id]);
    expect(await store.findPack(b.descriptor.id)).toBeUndefined();
  });

  test('what was dropped or evicted stays away', async () => {
    const subjectStore = await subject();
    const evicted = await addWhole(subjectStore.store, { seed: 1 });
    const dropped = await addWhole(subjectStore.store, { seed: 2 });
    await subjectStore.store.sync();
    await subjectStore.store.evict(dropped.bytes.length);
    await subjectStore.store.dropChunks(dropped.descriptor.id, fullChunkSet(11));
    const store = await reopened(subjectStore);
    expect(knownIds(store)).toEqual([dropped.descriptor.id]);
    expect(store.usage().presentBytes).toBe(0);
    const asked = Buffer.concat([digestsOf(evicted, [0]), digestsOf(dropped, [0])]);
    expect(await store.findChunks(asked, { domains: [publicDomain], allowAbsent: true })).toEqual([
      undefined,
      { pack: dropped.descriptor.id, chunk: 0 },
    ]);
  });
}
