import { expect, test } from 'vitest';
import { samplePack } from '../sample-pack.ts';
import { addWhole, expectBytes, expectCode } from './subject.ts';
import type { Laws } from './subject.ts';

export function readingLaws({ open }: Laws): void {
  test('consecutive chunks are read across the borders of pieces', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    expectBytes(await store.readChunks(pack.descriptor.id, 2, 7), pack.run(2, 7));
  });

  test('chunks are read into the buffer that the reader brings', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const room = new Uint8Array(pack.run(3, 2).length + 20);
    const into = room.subarray(10, room.length - 10);
    expect(await store.readChunks(pack.descriptor.id, 3, 2, { into })).toBe(into);
    expectBytes(into, pack.run(3, 2));
    expectBytes(room.subarray(0, 10), new Uint8Array(10));
    expectBytes(room.subarray(room.length - 10), new Uint8Array(10));
  });

  test('a buffer of another length is a mistake of the caller', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    await expect(store.readChunks(pack.descriptor.id, 0, 1, { into: new Uint8Array(3) })).rejects.toThrow(TypeError);
  });

  test.for([
    [-1, 1],
    [0, 0],
    [10, 2],
    [11, 1],
    [0.5, 1],
  ] as const)('a pack of 11 chunks has no chunks from %d, %d of them', async ([first, count]) => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    await expect(store.readChunks(pack.descriptor.id, first, count)).rejects.toThrow(TypeError);
  });

  test.for([
    [-1, 1],
    [3, 1],
    [0, 0],
    [2, 0b1000],
    [0, 0x10000],
  ] as const)('a pack of 11 chunks has no piece %d with mask %d', async ([piece, mask]) => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    await expect(store.readPiece(pack.descriptor.id, piece, mask)).rejects.toThrow(TypeError);
  });

  test('the reader owns what it got: changing it changes nothing', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const { id } = pack.descriptor;
    (await store.readPiece(id, 0, 0b1111)).fill(0xff);
    (await store.readChunks(id, 0, 4)).fill(0xff);
    expectBytes(await store.readPiece(id, 0, 0b1111), pack.run(0, 4));
  });

  test('reads of a pack that was never added say so', async () => {
    const store = await open();
    const { id } = samplePack({ seed: 1 }).descriptor;
    await expectCode(store.readPiece(id, 0, 1), 'STORE_PACK_UNKNOWN');
    await expectCode(store.readChunks(id, 0, 1), 'STORE_PACK_UNKNOWN');
  });

  test('reads of what was never written say so, and name the chunk', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await expectCode(store.readPiece(id, 0, 1), 'STORE_CHUNK_ABSENT');
    await store.writePiece(pack.piece(0));
    await expect(store.readChunks(id, 3, 2)).rejects.toMatchObject({
      code: 'STORE_CHUNK_ABSENT',
      details: { pack: id, chunk: 4 },
    });
  });

  test('reads go on while other pieces are written', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1, chunkCount: 400 });
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(0));
    const writes = pack.pieces().map((piece) => store.writePiece(piece));
    for (let i = 0; i < 50; i += 1) {
      expectBytes(await store.readPiece(pack.descriptor.id, 0, 0b1111), pack.run(0, 4));
    }
    await Promise.all(writes);
    expectBytes(await store.readChunks(pack.descriptor.id, 0, 400), pack.bytes);
  });
}
