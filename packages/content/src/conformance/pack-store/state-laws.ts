import { expect, test } from 'vitest';
import { createChunkSet } from '../../chunk-set.ts';
import { publicDomain } from '../../ids.ts';
import type { PackStore, Waiting } from '../../ports/pack-store.ts';
import { samplePack } from '../sample-pack.ts';
import { addWhole, expectBytes, expectCode } from './subject.ts';
import type { Laws } from './subject.ts';

const pack = samplePack({ seed: 1 });
const { id } = pack.descriptor;

/** Every call that waits. */
const calls: Readonly<Record<string, (store: PackStore, waiting: Waiting) => Promise<unknown>>> = {
  addPack: (store, waiting) => store.addPack(pack.descriptor, waiting),
  findPack: (store, waiting) => store.findPack(id, waiting),
  findChunks: (store, waiting) =>
    store.findChunks(pack.descriptor.digests, { domains: [publicDomain], signal: waiting.signal }),
  writePiece: (store, waiting) => store.writePiece(pack.piece(0), waiting),
  stagePack: (store, waiting) => store.stagePack(waiting),
  readPiece: (store, waiting) => store.readPiece(id, 0, 1, waiting),
  readChunks: (store, waiting) => store.readChunks(id, 0, 1, waiting),
  evict: (store, waiting) => store.evict(0, waiting),
  discard: (store, waiting) => store.discard([id], waiting),
  verify: (store, waiting) => store.verify(waiting),
  dropChunks: (store, waiting) => store.dropChunks(id, createChunkSet(11), waiting),
};
const callsWithoutSignal: Readonly<Record<string, (store: PackStore) => Promise<unknown>>> = {
  sync: (store) => store.sync(),
  pin: (store) => store.pin([id], 'golden'),
  unpin: (store) => store.unpin('golden'),
  pins: (store) => store.pins(),
};
/** Every call that answers at once, from memory. */
const memoryCalls: Readonly<Record<string, (store: PackStore) => unknown>> = {
  inventory: (store) => store.inventory(),
  present: (store) => store.present(id),
  lease: (store) => store.lease([id]),
  usage: (store) => store.usage(),
  onPresent: (store) => store.onPresent(() => {}),
  onAbsent: (store) => store.onAbsent(() => {}),
};

export function stateLaws({ open }: Laws): void {
  test.for(Object.entries({ ...calls, ...callsWithoutSignal }))('%s rejects after close', async ([, call]) => {
    const store = await open();
    await addWhole(store, { seed: 1 });
    await store.close();
    await expectCode(call(store, {}), 'STORE_CLOSED');
  });

  test.for(Object.entries(memoryCalls))('%s throws after close', async ([, call]) => {
    const store = await open();
    await store.close();
    expect(() => call(store)).toThrow(expect.objectContaining({ code: 'STORE_CLOSED' }));
  });

  test.for(Object.entries({ ...calls, ...callsWithoutSignal }))(
    '%s rejects as soon as closing has begun',
    async ([, call]) => {
      const store = await open();
      await addWhole(store, { seed: 1 });
      const closing = store.close();
      await expectCode(call(store, {}), 'STORE_CLOSED');
      await closing;
    },
  );

  test('calls under way when closing begins are finished first', async () => {
    const store = await open();
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(0));
    const read = store.readPiece(id, 0, 0b1111);
    const write = store.writePiece(pack.piece(1));
    await store.close();
    expectBytes(await read, pack.run(0, 4));
    await write;
  });

  test('closing twice is closing once, and a lease may outlive its store', async () => {
    const store = await open();
    const lease = store.lease([id]);
    await Promise.all([store.close(), store.close()]);
    await store.close();
    lease.release();
  });

  test.for(Object.entries(calls))('%s ends with the reason of a signal that has aborted', async ([, call]) => {
    const store = await open();
    await addWhole(store, { seed: 1 });
    const reason = new Error('no longer wanted');
    await expect(call(store, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
  });

  test('an empty store has nothing to sync, evict, verify or list', async () => {
    const store = await open();
    await store.sync();
    expect(await store.evict(0)).toEqual({ evictedPacks: 0, evictedBytes: 0, keptBytes: 0, heldBytes: 0 });
    expect(await store.verify()).toEqual({
      packs: 0,
      checkedChunks: 0,
      checkedBytes: 0,
      badChunks: [],
      strayFiles: [],
    });
    expect(await store.pins()).toEqual(new Map());
    expect(store.usage()).toMatchObject({ packs: 0, presentBytes: 0, pinnedPacks: 0 });
  });
}
