import { appendFile, copyFile, mkdir, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chunkOffset, chunksOf, createChunkSet, publicDomain } from '@quarry/content';
import type { PackId, PackStore } from '@quarry/content';
import { digestsOf, samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { createDiskStore } from '@quarry/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deps, packPath, temporaryStore } from './temporary-store.ts';
import type { TemporaryStore } from './temporary-store.ts';

let temporary: TemporaryStore;
beforeEach(async () => {
  temporary = await temporaryStore();
});
afterEach(() => temporary.dispose());

const pack = samplePack({ seed: 1 });
const other = samplePack({ seed: 2 });
const { id } = pack.descriptor;

async function writeBoth(): Promise<void> {
  for (const each of [pack, other]) {
    await temporary.store.packs.addPack(each.descriptor);
    for (const piece of each.pieces()) await temporary.store.packs.writePiece(piece);
  }
}

function descriptorPath(pack: PackId): string {
  return packPath(temporary.directory, pack).replace(/pack$/, 'descriptor');
}

/** Closes the store, does something to its files, opens it again. */
async function whileClosed(work: () => Promise<unknown>): Promise<PackStore> {
  await temporary.store.close();
  await work();
  return (await temporary.reopen()).packs;
}

async function expectWhole(store: PackStore, whole: SamplePack): Promise<void> {
  const bytes = await store.readChunks(whole.descriptor.id, 0, whole.descriptor.chunkCount);
  expect(Buffer.compare(bytes, whole.bytes)).toBe(0);
}

function presentIn(store: PackStore, pack: PackId): number[] {
  return [...chunksOf(store.present(pack) ?? createChunkSet(1))];
}

describe('a pack file', () => {
  test('that was cut while the store was closed loses the chunks behind the cut and no other', async () => {
    await writeBoth();
    const store = await whileClosed(() =>
      truncate(packPath(temporary.directory, id), chunkOffset(pack.descriptor, 6) + 5),
    );
    expect(presentIn(store, id)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(Buffer.compare(await store.readChunks(id, 0, 6), pack.run(0, 6))).toBe(0);
    await expectWhole(store, other);
    for (const piece of pack.pieces()) await store.writePiece(piece);
    await expectWhole((await temporary.reopen()).packs, pack);
  });

  test('that was cut and written over is hashed again at open, and loses what is wrong', async () => {
    await writeBoth();
    const store = await whileClosed(async () => {
      await truncate(packPath(temporary.directory, id), chunkOffset(pack.descriptor, 2));
      await appendFile(packPath(temporary.directory, id), Buffer.alloc(300));
    });
    expect(presentIn(store, id)).toEqual([0, 1]);
  });

  test('that is cut while the store is open answers with absence, and can be written again', async () => {
    await writeBoth();
    const { packs } = temporary.store;
    const told: string[] = [];
    packs.onAbsent((absent) => told.push(absent));
    await truncate(packPath(temporary.directory, id), chunkOffset(pack.descriptor, 9));
    await expect(packs.readChunks(id, 7, 4)).rejects.toMatchObject({ code: 'STORE_CHUNK_ABSENT' });
    expect(presentIn(packs, id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(told).toEqual([id]);
    await packs.writePiece(pack.piece(2));
    await expectWhole(packs, pack);
  });

  test('that is gone at open leaves its pack known and empty', async () => {
    await writeBoth();
    const store = await whileClosed(() => rm(packPath(temporary.directory, id)));
    expect(presentIn(store, id)).toEqual([]);
    await expect(store.readPiece(id, 0, 1)).rejects.toMatchObject({ code: 'STORE_CHUNK_ABSENT' });
    await store.writePiece(pack.piece(1));
    // Killed now, or closed, the marks of the lost file must not come back.
    const reopened = (await temporary.reopen()).packs;
    expect(presentIn(reopened, id)).toEqual([4, 5, 6, 7]);
    expect((await reopened.verify()).badChunks).toEqual([]);
  });

  test('that is replaced by zeros is found by verify, chunk by chunk, and its marks do not come back', async () => {
    await writeBoth();
    const store = await whileClosed(() =>
      writeFile(packPath(temporary.directory, id), Buffer.alloc(pack.bytes.length)),
    );
    const report = await store.verify();
    expect(report.badChunks).toEqual(Array.from({ length: 11 }, (_, chunk) => ({ pack: id, chunk })));
    expect(presentIn((await temporary.reopen()).packs, id)).toEqual([]);
  });
});

describe('a descriptor', () => {
  test.for([
    ['half written', (path: string) => truncate(path, 100)],
    ['gone', (path: string) => rm(path)],
    ['of another pack', async (path: string) => await copyFile(descriptorPath(other.descriptor.id), path)],
  ] as const)('that is %s makes its pack unknown, and it can be added again', async ([, damage]) => {
    await writeBoth();
    const store = await whileClosed(() => damage(descriptorPath(id)));
    await expect(store.readPiece(id, 0, 1)).rejects.toMatchObject({ code: 'STORE_PACK_UNKNOWN' });
    expect(await store.findPack(id)).toBeUndefined();
    expect(store.usage().packs).toBe(1);
    expect(await store.findChunks(digestsOf(pack, [0]), { domains: [publicDomain], allowAbsent: true })).toEqual([
      undefined,
    ]);
    await store.addPack(pack.descriptor);
    expect(presentIn(store, id)).toEqual([]);
    for (const piece of pack.pieces()) await store.writePiece(piece);
    await expectWhole(store, pack);
    await expectWhole((await temporary.reopen()).packs, pack);
  });

  test('that is damaged is found by verify, which counts its chunks as bad', async () => {
    await writeBoth();
    const store = await whileClosed(() => truncate(descriptorPath(id), 100));
    const report = await store.verify();
    expect(report.badChunks).toHaveLength(11);
    expect(report.checkedChunks).toBe(11);
  });
});

describe('stray files', () => {
  test('are named by verify, and removed only when it is told to', async () => {
    await writeBoth();
    const { directory } = temporary;
    const stranger = samplePack({ seed: 3 }).descriptor.id;
    const strays = [
      packPath(directory, stranger),
      packPath(directory, stranger).replace(/pack$/, 'descriptor'),
      join(directory, 'packs', id.slice(0, 2), 'notes.txt'),
      join(directory, 'packs', 'core'),
      join(directory, 'stages', '99.stage'),
    ].sort();
    for (const stray of strays) {
      await mkdir(join(stray, '..'), { recursive: true });
      await writeFile(stray, 'x');
    }
    const { packs } = temporary.store;
    expect((await packs.verify()).strayFiles).toEqual(strays);
    expect((await packs.verify({ removeStrayFiles: true })).strayFiles).toEqual(strays);
    expect(await packs.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
    await expectWhole(packs, pack);
  });

  test('that carry the name of a pack are not believed when the pack is added', async () => {
    await writeBoth();
    const { directory } = temporary;
    const saved = await readFile(packPath(directory, id));
    await temporary.store.packs.evict(0);
    await writeFile(packPath(directory, id), saved.fill(7, 0, 10));
    await temporary.store.packs.addPack(pack.descriptor);
    expect(presentIn(temporary.store.packs, id)).toEqual([]);
    for (const piece of pack.pieces()) await temporary.store.packs.writePiece(piece);
    await expectWhole(temporary.store.packs, pack);
    expect((await temporary.store.packs.verify()).badChunks).toEqual([]);
  });

  test('left by an eviction that was killed between its mark and its unlink are strays', async () => {
    await writeBoth();
    const path = packPath(temporary.directory, id);
    const saved = await readFile(path);
    await temporary.store.packs.evict(other.bytes.length);
    const store = await whileClosed(() => writeFile(path, saved));
    expect(store.present(id)).toBeUndefined();
    expect((await store.verify()).strayFiles).toEqual([path]);
  });
});

test('an index whose log was torn keeps everything before the tear', async () => {
  await writeBoth();
  await temporary.store.packs.sync();
  const index = join(temporary.directory, 'index');
  await temporary.store.packs.pin([id], 'the last thing written');
  // As the disk would be after a power cut: copied while the store is open, the end of the log missing.
  const copy = `${temporary.directory}/../${id.slice(0, 16)}-torn`;
  try {
    await mkdir(copy, { mode: 0o700 });
    for (const name of await readdir(temporary.directory, { recursive: true })) {
      const from = join(temporary.directory, name);
      if ((await stat(from)).isDirectory()) await mkdir(join(copy, name), { recursive: true });
      else await copyFile(from, join(copy, name));
    }
    const log = (await readdir(index)).find((name) => name.endsWith('.log')) ?? '';
    await truncate(join(copy, 'index', log), (await stat(join(index, log))).size - 3);
    const store = await createDiskStore(deps, { directory: copy });
    expect(await store.packs.pins()).toEqual(new Map());
    await expectWhole(store.packs, pack);
    await expectWhole(store.packs, other);
    await store.close();
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});
