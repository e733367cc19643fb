import { expect, test } from 'vitest';
import { chunksOf, countChunks } from '../../chunk-set.ts';
import { samplePack } from '../sample-pack.ts';
import { addWhole, expectBytes, expectCode } from './subject.ts';
import type { Laws } from './subject.ts';

export function writingLaws({ open }: Laws): void {
  test('a pack that was never added is unknown', async () => {
    const store = await open();
    const { descriptor } = samplePack({ seed: 1 });
    expect(await store.findPack(descriptor.id)).toBeUndefined();
    expect(store.present(descriptor.id)).toBeUndefined();
    expect([...store.inventory()]).toEqual([]);
  });

  test('adding a pack makes its descriptor known and no chunk present', async () => {
    const store = await open();
    const { descriptor } = samplePack({ seed: 1 });
    await store.addPack(descriptor);
    const known = await store.findPack(descriptor.id);
    expect(known?.id).toBe(descriptor.id);
    expect(known?.domain).toBe(descriptor.domain);
    expect(known?.offsets).toEqual(descriptor.offsets);
    expectBytes(known?.digests ?? new Uint8Array(), descriptor.digests);
    expect([...chunksOf(store.present(descriptor.id) ?? descriptorless())]).toEqual([]);
    expect(store.usage()).toMatchObject({ packs: 1, presentBytes: 0, pinnedPacks: 0 });
  });

  test('adding a known pack again, even at the same moment, changes nothing', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await Promise.all([store.addPack(pack.descriptor), store.addPack(pack.descriptor)]);
    await store.writePiece(pack.piece(0));
    await store.addPack(pack.descriptor);
    expect(countChunks(store.present(pack.descriptor.id) ?? descriptorless())).toBe(4);
    expect([...store.inventory()]).toHaveLength(1);
  });

  test('a written piece is present and reads back', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(1));
    expect([...chunksOf(store.present(pack.descriptor.id) ?? descriptorless())]).toEqual([4, 5, 6, 7]);
    expectBytes(await store.readPiece(pack.descriptor.id, 1, 0b1111), pack.run(4, 4));
    expect(store.usage().presentBytes).toBe(pack.run(4, 4).length);
  });

  test('a partial piece makes its masked chunks present and no other', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(0, 0b1010));
    expect([...chunksOf(store.present(id) ?? descriptorless())]).toEqual([1, 3]);
    expectBytes(await store.readPiece(id, 0, 0b1010), Buffer.concat([pack.chunk(1), pack.chunk(3)]));
    await expectCode(store.readPiece(id, 0, 0b1011), 'STORE_CHUNK_ABSENT');
    await expectCode(store.readChunks(id, 1, 3), 'STORE_CHUNK_ABSENT');
  });

  test('pieces whose masks overlap add up', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(0, 0b0110));
    await store.writePiece(pack.piece(0, 0b1100));
    await store.writePiece(pack.piece(0, 0b0001));
    expectBytes(await store.readPiece(id, 0, 0b1111), pack.run(0, 4));
    expect(store.usage().presentBytes).toBe(pack.run(0, 4).length);
  });

  test('writing what is present already changes nothing and tells nobody', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const told: number[] = [];
    store.onPresent((_, piece) => told.push(piece));
    await store.writePiece(pack.piece(2));
    expect(told).toEqual([]);
    expect(store.usage().presentBytes).toBe(pack.bytes.length);
  });

  test('the same piece written twice at the same moment is counted and told once', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    const told: (readonly [number, number])[] = [];
    store.onPresent((_, piece, mask) => told.push([piece, mask]));
    await Promise.all([store.writePiece(pack.piece(0)), store.writePiece(pack.piece(0))]);
    expect(told).toEqual([[0, 0b1111]]);
    expect(store.usage().presentBytes).toBe(pack.run(0, 4).length);
  });

  test('listeners hear only the chunks that a piece added, until they stop', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    const told: (readonly [string, number, number])[] = [];
    const stop = store.onPresent((...event) => told.push(event));
    await store.writePiece(pack.piece(0, 0b0011));
    await store.writePiece(pack.piece(0));
    stop();
    await store.writePiece(pack.piece(1));
    expect(told).toEqual([
      [pack.descriptor.id, 0, 0b0011],
      [pack.descriptor.id, 0, 0b1100],
    ]);
  });

  test('the writer keeps its buffer: what it does to it later does not reach the store', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    const piece = pack.piece(0);
    await store.writePiece(piece);
    piece.bytes.fill(0xff);
    expectBytes(await store.readPiece(pack.descriptor.id, 0, 0b1111), pack.run(0, 4));
  });

  test('a piece of a pack that was never added is refused', async () => {
    const store = await open();
    await expectCode(store.writePiece(samplePack({ seed: 1 }).piece(0)), 'STORE_PACK_UNKNOWN');
    expect(store.usage()).toMatchObject({ packs: 0, presentBytes: 0, pinnedPacks: 0 });
  });

  test('packs of one chunk, and of pieces of 16 with a short last one, are kept like any other', async () => {
    const store = await open();
    const small = await addWhole(store, { seed: 1, chunkCount: 1 });
    const large = await addWhole(store, { seed: 2, chunkCount: 2100, chunkBytes: (chunk) => 16 + (chunk % 5) });
    expectBytes(await store.readChunks(small.descriptor.id, 0, 1), small.bytes);
    expectBytes(await store.readChunks(large.descriptor.id, 0, 2100), large.bytes);
    expect(store.usage().presentBytes).toBe(small.bytes.length + large.bytes.length);
  });

  test('inventory and presence are copies: changing them changes nothing', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    store.present(pack.descriptor.id)?.bits.fill(0xff);
    for (const { present } of store.inventory()) present.bits.fill(0xff);
    expect(countChunks(store.present(pack.descriptor.id) ?? descriptorless())).toBe(0);
  });
}

function descriptorless(): never {
  throw new Error('the pack is not known');
}
