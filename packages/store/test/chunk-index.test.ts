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

/** Changes an entry of the index while the store is closed. */
async function falsify(
  digest: Uint8Array,
  change: (entry: Uint8Array) => Uint8Array,
  options: { readonly from: Domain; readonly to: Domain } = { from: publicDomain, to: publicDomain },
): Promise<void> {
  await temporary.store.close();
  const location = `${temporary.directory}/index`;
  const sizes = { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 20 };
  const database = await openDatabase(location, { ...sizes, logger: silentLogger });
  const [from = Buffer.of(), to = Buffer.of()] = [options.from, options.to].flatMap((each) => chunkKeys(each, digest));
  const entry = (await database.find(from)) ?? Buffer.of();
  expect(entry).toHaveLength(10);
  await database.write([{ key: to, value: change(new Uint8Array(entry)) }], { isDurable: true });
  await database.close();
  await temporary.reopen();
}

const withByte = (at: number, value: number) => (entry: Uint8Array) => entry.with(at, value);
const pack = samplePack({ seed: 1 });
const find = (digests: Uint8Array, domains: readonly Domain[] = [publicDomain]): Promise<readonly unknown[]> =>
  temporary.store.packs.findChunks(digests, { domains, allowAbsent: true });

test.for([
  ['another chunk of the pack', withByte(5, 3)],
  ['a chunk that the pack does not have', withByte(4, 15)],
  ['another pack', withByte(3, 2)],
  ['a pack that is no more', withByte(3, 77)],
  ['the right place with a wrong check', withByte(9, 0x55)],
  ['half a place', (entry: Uint8Array) => entry.subarray(0, 9)],
  ['no place', () => new Uint8Array(0)],
] as const)('an entry that leads to %s finds nothing', async ([, change]) => {
  await addWhole(pack);
  await addWhole(samplePack({ seed: 2 }));
  await falsify(digestsOf(pack, [0]), change);
  expect(await find(digestsOf(pack, [0, 1]))).toEqual([undefined, { pack: pack.descriptor.id, chunk: 1 }]);
});

test('an entry that leads into another domain finds nothing', async () => {
  await addWhole(pack);
  const red = domain('project:red');
  await falsify(digestsOf(pack, [0]), (entry) => entry, { from: publicDomain, to: red });
  expect(await find(digestsOf(pack, [0]), [red])).toEqual([undefined]);
});

test('the entry of another digest with the same beginning finds nothing', async () => {
  await addWhole(pack);
  const similar = new Uint8Array(digestsOf(pack, [0])).with(31, 0x77);
  expect(await find(similar)).toEqual([undefined]);
});

test('the right one of several places is found behind wrong ones', async () => {
  await addWhole(pack);
  const wrongFirst = (entry: Uint8Array): Uint8Array =>
    Buffer.concat([withByte(3, 77)(entry), withByte(5, 3)(entry), entry]);
  await falsify(digestsOf(pack, [0]), wrongFirst);
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
