import { stat, truncate } from 'node:fs/promises';
import { chunkOffset, chunksOf, createChunkSet, packBytes } from '@quarry/content';
import type { PackId, PackStore } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packPath, temporaryStore } from './temporary-store.ts';
import type { TemporaryStore } from './temporary-store.ts';

let temporary: TemporaryStore;
beforeEach(async () => {
  temporary = await temporaryStore();
});
afterEach(() => temporary.dispose());

const pack = samplePack({ seed: 1, chunkCount: 11, isCompressible: true, chunkBytes: () => 64 * 1024 });
const { descriptor } = pack;
const { id } = descriptor;

async function writeFramed(store: PackStore, framed: SamplePack): Promise<void> {
  await store.addPack(framed.descriptor);
  for (let piece = 0; piece < framed.descriptor.pieceCount; piece += 1) await store.writePiece(framed.framed(piece));
  await store.sync();
}

/** Bytes that the file takes on the disk, holes not counted. */
async function diskBytes(of: PackId): Promise<number> {
  return (await stat(packPath(temporary.directory, of))).blocks * 512;
}

function presentIn(store: PackStore): number[] {
  return [...chunksOf(store.present(id) ?? createChunkSet(1))];
}

test('a pack of frames takes the room of its frames on the disk, and keeps its pieces where they would be', async () => {
  const { packs } = temporary.store;
  await writeFramed(packs, pack);
  const { storedBytes, presentBytes } = packs.usage();
  expect(storedBytes).toBeLessThan(0.6 * presentBytes);
  // A file system gives whole blocks, 64 KiB at most.
  expect(await diskBytes(id)).toBeLessThan(storedBytes + descriptor.pieceCount * 64 * 1024);
  expect(await diskBytes(id)).toBeLessThan(0.75 * packBytes(descriptor));
  const { size } = await stat(packPath(temporary.directory, id));
  expect(size).toBe(chunkOffset(descriptor, 8) + pack.framed(2).frame.length);
});

test('a pack whose last piece is a frame is whole after reopening, though its file is shorter than its bytes', async () => {
  await writeFramed(temporary.store.packs, pack);
  const { packs } = await temporary.reopen();
  expect(presentIn(packs)).toHaveLength(11);
  expect(Buffer.compare(await packs.readChunks(id, 0, 11), pack.bytes)).toBe(0);
  expect((await packs.readStored(id, 2)).encoding).toBe('zstd');
});

test('a file that was cut within a frame while the store was closed loses that piece and those behind it', async () => {
  await writeFramed(temporary.store.packs, pack);
  await temporary.store.close();
  await truncate(packPath(temporary.directory, id), chunkOffset(descriptor, 4) + pack.framed(1).frame.length - 1);
  const { packs } = await temporary.reopen();
  expect(presentIn(packs)).toEqual([0, 1, 2, 3]);
  expect(Buffer.compare(await packs.readChunks(id, 0, 4), pack.run(0, 4))).toBe(0);
  await writeFramed(packs, pack);
  expect(Buffer.compare(await packs.readChunks(id, 0, 11), pack.bytes)).toBe(0);
});

test('a file that is cut within a frame while the store is open answers with absence', async () => {
  const { packs } = temporary.store;
  await writeFramed(packs, pack);
  await truncate(packPath(temporary.directory, id), chunkOffset(descriptor, 4) + 10);
  await expect(packs.readChunks(id, 3, 2)).rejects.toMatchObject({ code: 'STORE_CHUNK_ABSENT', details: { chunk: 4 } });
  await expect(packs.readStored(id, 2)).rejects.toMatchObject({ code: 'STORE_CHUNK_ABSENT' });
  expect(presentIn(packs)).toEqual([0, 1, 2, 3]);
});

test('the frames of a pack that was emptied do not come back', async () => {
  await writeFramed(temporary.store.packs, pack);
  const all = createChunkSet(11);
  all.bits.fill(0xff);
  await temporary.store.packs.dropChunks(id, all);
  await temporary.store.packs.writePiece(pack.piece(0, 0b0011));
  const { packs } = await temporary.reopen();
  expect(presentIn(packs)).toEqual([0, 1]);
  expect(Buffer.compare(await packs.readChunks(id, 0, 2), pack.run(0, 2))).toBe(0);
  expect(packs.usage()).toMatchObject({ presentBytes: 2 * 65536, storedBytes: 2 * 65536 });
});
