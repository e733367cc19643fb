import { createChunkSet, publicDomain } from '@quarry/content';
import type { PackId, PackStore } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { createMemoryPackStore } from '@quarry/content/memory';
import { errorCode } from '@quarry/runtime';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryStore } from './temporary-store.ts';
import type { TemporaryStore } from './temporary-store.ts';

// Packs of 1 to 10 chunks; the second and the third share chunks with the first.
const first = samplePack({ seed: 1, chunkCount: 10 });
const packs: readonly SamplePack[] = [
  first,
  samplePack({ seed: 2, chunkCount: 5, shared: [first.chunk(0), first.chunk(7)] }),
  samplePack({ seed: 3, chunkCount: 3, shared: [first.chunk(7)] }),
  samplePack({ seed: 4, chunkCount: 1 }),
];
const allDigests = Buffer.concat(packs.map(({ descriptor }) => descriptor.digests));

type Step =
  | { readonly kind: 'add' | 'stage'; readonly pack: number }
  | { readonly kind: 'write' | 'read'; readonly pack: number; readonly piece: number; readonly mask: number }
  | { readonly kind: 'drop'; readonly pack: number; readonly bits: number }
  | { readonly kind: 'evict'; readonly maxBytes: number }
  | { readonly kind: 'pin'; readonly pack: number; readonly reason: string }
  | { readonly kind: 'unpin'; readonly reason: string }
  | { readonly kind: 'sync' | 'reopen' };

const pack = fc.nat(packs.length - 1);
const reason = fc.constantFrom('a', 'b');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add'), pack }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('write'), pack, piece: fc.nat(2), mask: fc.integer({ min: 1, max: 15 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('read'), pack, piece: fc.nat(2), mask: fc.integer({ min: 1, max: 15 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stage'), pack }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop'), pack, bits: fc.nat(0x3ff) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('evict'), maxBytes: fc.nat(6000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pin'), pack, reason }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unpin'), reason }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('sync', 'reopen') }) },
) as fc.Arbitrary<Step>;

/** What a call comes to, in a form that two stores can agree on. */
async function outcome(call: () => Promise<unknown>): Promise<unknown> {
  try {
    const value = await call();
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  } catch (error) {
    return { code: errorCode(error), isTypeError: error instanceof TypeError };
  }
}

function perform(store: PackStore, step: Step): Promise<unknown> {
  return outcome(async () => {
    const sample = 'pack' in step ? (packs[step.pack] as SamplePack) : first;
    const { descriptor } = sample;
    if (step.kind === 'add') await store.addPack(descriptor);
    else if (step.kind === 'write') await store.writePiece(sample.piece(step.piece, step.mask));
    else if (step.kind === 'read') return await store.readPiece(descriptor.id, step.piece, step.mask);
    else if (step.kind === 'drop') {
      const chunks = createChunkSet(descriptor.chunkCount);
      chunks.bits.set(Uint8Array.of(step.bits & 0xff, step.bits >> 8).subarray(0, chunks.bits.length));
      await store.dropChunks(descriptor.id, chunks);
    } else if (step.kind === 'evict') return await store.evict(step.maxBytes);
    else if (step.kind === 'pin') await store.pin([descriptor.id], step.reason);
    else if (step.kind === 'unpin') await store.unpin(step.reason);
    else if (step.kind === 'sync') await store.sync();
    else if (step.kind === 'stage') {
      const stage = await store.stagePack();
      await stage.append([sample.bytes]);
      await stage.finish(descriptor);
    }
    return undefined;
  });
}

async function stateOf(store: PackStore): Promise<unknown> {
  const inventory = new Map(Array.from(store.inventory(), ({ pack: id, present }) => [id, [...present.bits]]));
  const bytes: [PackId, unknown][] = [];
  for (const { descriptor } of packs) {
    for (let chunk = 0; chunk < descriptor.chunkCount; chunk += 1) {
      const present = store.present(descriptor.id);
      if (!present || !((present.bits[chunk >> 3] ?? 0) & (1 << (chunk & 7)))) continue;
      // Reading is use: both stores see the same uses in the same order.
      bytes.push([descriptor.id, await outcome(() => store.readChunks(descriptor.id, chunk, 1))]);
    }
  }
  const found = await store.findChunks(allDigests, { domains: [publicDomain], allowAbsent: true });
  const isFound = found.map((location) => location && isPresent(store, location.pack, location.chunk));
  return { inventory, bytes, isFound, usage: store.usage(), pins: await store.pins() };
}

function isPresent(store: PackStore, id: PackId, chunk: number): boolean {
  const bits = store.present(id)?.bits;
  return bits !== undefined && ((bits[chunk >> 3] ?? 0) & (1 << (chunk & 7))) !== 0;
}

async function agree(steps: readonly Step[]): Promise<void> {
  const memory = createMemoryPackStore();
  // Two open files and one descriptor at a time: everything is closed and loaded again and again.
  const temporary: TemporaryStore = await temporaryStore({ maxOpenFiles: 2, descriptorCacheBytes: 600 });
  try {
    for (const each of steps) {
      if (each.kind === 'reopen') await temporary.reopen();
      else expect(await perform(temporary.store.packs, each), each.kind).toEqual(await perform(memory, each));
    }
    expect(await stateOf(temporary.store.packs)).toEqual(await stateOf(memory));
    const report = await temporary.store.packs.verify();
    expect(report).toMatchObject({ badChunks: [], strayFiles: [] });
    await temporary.reopen();
    expect(await stateOf(temporary.store.packs)).toEqual(await stateOf(memory));
  } finally {
    await temporary.dispose();
  }
}

test('whatever is added, written, staged, dropped, evicted, pinned and reopened, disk and memory agree', {
  timeout: 120_000,
}, async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }), agree), {
    numRuns: 60,
  });
});
