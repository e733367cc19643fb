import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { samplePack } from '@quarry/content/conformance';
import { expect, test } from 'vitest';
import { temporaryStore } from './temporary-store.ts';

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(join(directory, 'packs'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test('of a discarded pack no file is left, and none of one that was in use after the last lease, or the next start', async () => {
  const temporary = await temporaryStore();
  try {
    const { packs } = temporary.store;
    const samples = [1, 2, 3].map((seed) => samplePack({ seed }));
    for (const sample of samples) {
      await packs.addPack(sample.descriptor);
      for (const piece of sample.pieces()) await packs.writePiece(piece);
    }
    await packs.sync();
    const [free, leased, held] = samples.map(({ descriptor }) => descriptor.id);
    if (!free || !leased || !held) throw new Error('there are three');
    const lease = packs.lease([leased]);
    packs.lease([held]);
    await packs.discard([free, leased, held]);
    expect((await filesIn(temporary.directory)).some((name) => name.startsWith(free))).toBe(false);
    expect((await filesIn(temporary.directory)).some((name) => name.startsWith(leased))).toBe(true);
    lease.release();
    while (await packs.findPack(leased)) await packs.sync();
    const reopened = await temporary.reopen();
    expect(await filesIn(temporary.directory)).toEqual([]);
    expect(reopened.packs.usage().packs).toBe(0);
  } finally {
    await temporary.dispose();
  }
});

test('while a pack is written it is not pulled from under the writer, and goes when that has ended', async () => {
  const temporary = await temporaryStore();
  try {
    const { packs } = temporary.store;
    const sample = samplePack({ seed: 1, chunkCount: 64 });
    const { id } = sample.descriptor;
    await packs.addPack(sample.descriptor);
    const writes = Array.from({ length: 16 }, (_, piece) => packs.writePiece(sample.piece(piece)));
    const report = await packs.discard([id]);
    expect(report.heldPacks).toEqual([id]);
    await Promise.all(writes);
    while (await packs.findPack(id)) await packs.sync();
    await temporary.reopen();
    expect(await filesIn(temporary.directory)).toEqual([]);
  } finally {
    await temporary.dispose();
  }
});
