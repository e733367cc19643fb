import { domain, publicDomain } from '@quarry/content';
import type { Domain } from '@quarry/content';
import { digestsOf, samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { silentLogger } from '@quarry/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../src/database.ts';
import { chunkKeys } from '../src/keys.ts';
import { temporaryStore } from './temporary-store.ts';
import type { TemporaryStore } from './temporary-store.ts';

// The index is a hint. These tests falsify it, and nobody may believe it.

let temporary: TemporaryStore;
beforeEach(async () => {
  temporary = await temporaryStore();
});
afterEach(() => temporary.dispose());

async function addWhole(pack: SamplePack): Promise<void> {
  await temporary.store.packs.addPack(pack.descriptor);
  for (const piece of pack.pieces()) await temporary.store.packs.writePiece(piece);
}

/** Writes an entry of the index while the store is closed: locations as [pack number, chunk]. */
async function falsify(within: Domain, digest: Uint8Array, entry: Uint8Array): Promise<void> {
  await temporary.store.close();
  const location = `${temporary.directory}/index`;
  const database = await openDatabase(location, {
    cacheBytes: 2 ** 20,
    writeBufferBytes: 2 ** 20,
    logger: silentLogger,
  });
  await database.write([{ key: chunkKeys(within, digest)[0] ?? Buffer.of(), value: entry }], { isDurable: true });
  await database.close();
  await temporary.reopen();
}

const location = (number: number, chunk: number): number[] => [0, 0, 0, number, chunk >> 8, chunk & 0xff];
const pack = samplePack({ seed: 1 });
const find = (digests: Uint8Array, domains: readonly Domain[] = [publicDomain]): Promise<readonly unknown[]> =>
  temporary.store.packs.findChunks(digests, { domains, allowAbsent: true });

test.for([
  ['another chunk of the pack', location(1, 3)],
  ['a chunk that the pack does not have', location(1, 4000)],
  ['a pack that is no more', location(77, 0)],
  ['half a location', location(1, 0).slice(0, 5)],
  ['nothing', []],
] as const)('an entry that leads to %s finds nothing', async ([, entry]) => {
  await addWhole(pack);
  await falsify(publicDomain, digestsOf(pack, [0]), Uint8Array.from(entry));
  expect(await find(digestsOf(pack, [0, 1]))).toEqual([undefined, { pack: pack.descriptor.id, chunk: 1 }]);
});

test('an entry that leads into another domain finds nothing', async () => {
  await addWhole(pack);
  const red = domain('project:red');
  await falsify(red, digestsOf(pack, [0]), Uint8Array.from(location(1, 0)));
  expect(await find(digestsOf(pack, [0]), [red])).toEqual([undefined]);
});

test('the right one of several locations is found behind wrong ones', async () => {
  await addWhole(pack);
  const entry = Uint8Array.from([...location(77, 0), ...location(1, 3), ...location(1, 0)]);
  await falsify(publicDomain, digestsOf(pack, [0]), entry);
  expect(await find(digestsOf(pack, [0]))).toEqual([{ pack: pack.descriptor.id, chunk: 0 }]);
});

test('packs added at the same moment are all found by the chunks that they share', async () => {
  const shared = Array.from({ length: 5 }, (_, i) => pack.chunk(i));
  const packs = Array.from({ length: 8 }, (_, i) => samplePack({ seed: 10 + i, shared }));
  await Promise.all(packs.map(({ descriptor }) => temporary.store.packs.addPack(descriptor)));
  for (const each of packs) {
    await temporary.store.packs.writePiece(each.piece(0));
    expect(await find(digestsOf(pack, [2]))).toEqual([{ pack: each.descriptor.id, chunk: 2 }]);
    await temporary.store.packs.dropChunks(each.descriptor.id, { chunkCount: 16, bits: Uint8Array.of(0xff, 0) });
  }
});
