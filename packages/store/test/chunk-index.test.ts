import { domain, publicDomain } from '@quarry/content';
import type { Domain } from '@quarry/content';
import { digestsOf, samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { silentLogger } from '@quarry/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createChunkIndex } from '../src/chunk-index.ts';
import { openDatabase } from '../src/database.ts';
import { chunkKeys } from '../src/keys.ts';
import { createKnownPacks } from '../src/known-packs.ts';
import { createPresence } from '../src/presence.ts';
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

test('the index is read only where another pack of the domain could be named', async () => {
  const sizes = { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 20 };
  const database = await openDatabase(`${temporary.directory}/other-index`, { ...sizes, logger: silentLogger });
  let reads = 0;
  const counting: typeof database = {
    ...database,
    findMany: (keys) => {
      reads += 1;
      return database.findMany(keys);
    },
  };
  const known = createKnownPacks({ wallMs: () => 0, onTouch: () => {} });
  const index = createChunkIndex({
    database: counting,
    findByNumber: (number) => known.findByNumber(number),
    countIn: (each) => known.countIn(each),
    exclusively: (work) => work(),
  });
  const { descriptor } = pack;
  const digests = digestsOf(pack, [0]);
  const ask = async (each: Domain): Promise<unknown> =>
    (await index.find(digests, { domains: [each], allowAbsent: true }))[0];
  expect(await ask(publicDomain)).toBeUndefined();
  const first = known.reserve(descriptor.id, descriptor, createPresence(descriptor.chunkCount));
  await index.add(first, descriptor);
  known.publish(first);
  expect(await ask(domain('project:another'))).toBeUndefined();
  expect(reads).toBe(0);
  expect(await ask(publicDomain)).toEqual({ pack: descriptor.id, chunk: 0 });
  expect(reads).toBe(1);
  // the second pack has the same chunk, and must not take the place of the first
  const twin = samplePack({ seed: 1, chunkCount: 1 });
  const second = known.reserve(twin.descriptor.id, twin.descriptor, createPresence(1));
  await index.add(second, twin.descriptor);
  known.publish(second);
  expect(reads).toBe(2);
  known.remove(second);
  expect(await ask(publicDomain)).toEqual({ pack: descriptor.id, chunk: 0 });
  known.remove(first);
  reads = 0;
  expect(await ask(publicDomain)).toBeUndefined();
  expect(reads).toBe(0);
  await database.close();
});
