import { expect, test } from 'vitest';
import { domain, publicDomain } from '../../ids.ts';
import { digestsOf, samplePack, unsalted } from '../sample-pack.ts';
import { addWhole } from './subject.ts';
import type { Laws } from './subject.ts';

const red = domain('project:red');
const blue = domain('project:blue');

export function findingLaws({ open }: Laws): void {
  test('each digest is answered in its place, unknown ones with undefined', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1 });
    const stranger = samplePack({ seed: 2 });
    const asked = Buffer.concat([digestsOf(pack, [7]), digestsOf(stranger, [0]), digestsOf(pack, [0, 7])]);
    expect(await store.findChunks(asked, { domains: [publicDomain] })).toEqual([
      { pack: pack.descriptor.id, chunk: 7 },
      undefined,
      { pack: pack.descriptor.id, chunk: 0 },
      { pack: pack.descriptor.id, chunk: 7 },
    ]);
  });

  test('thousands of digests are answered in one call', async () => {
    const store = await open();
    const pack = await addWhole(store, { seed: 1, chunkCount: 3000, chunkBytes: (chunk) => 20 + (chunk % 3) });
    const found = await store.findChunks(pack.descriptor.digests, { domains: [publicDomain] });
    expect(found).toEqual(Array.from({ length: 3000 }, (_, chunk) => ({ pack: pack.descriptor.id, chunk })));
  });

  test('no digest at all finds nothing, half a digest is a mistake of the caller', async () => {
    const store = await open();
    expect(await store.findChunks(new Uint8Array(0), { domains: [publicDomain] })).toEqual([]);
    await expect(store.findChunks(new Uint8Array(33), { domains: [publicDomain] })).rejects.toThrow(TypeError);
  });

  test('a known but absent chunk is found only by who allows absent ones', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    const asked = digestsOf(pack, [2]);
    expect(await store.findChunks(asked, { domains: [publicDomain] })).toEqual([undefined]);
    expect(await store.findChunks(asked, { domains: [publicDomain], allowAbsent: true })).toEqual([
      { pack: pack.descriptor.id, chunk: 2 },
    ]);
    await store.writePiece(pack.piece(0, 0b0100));
    expect(await store.findChunks(asked, { domains: [publicDomain] })).toEqual([
      { pack: pack.descriptor.id, chunk: 2 },
    ]);
  });

  test('chunks are found in the domains asked for and in no other', async () => {
    const store = await open();
    const ours = await addWhole(store, { seed: 1, domain: red });
    const asked = digestsOf(ours, [0]);
    expect(await store.findChunks(asked, { domains: [blue, publicDomain], allowAbsent: true })).toEqual([undefined]);
    expect(await store.findChunks(asked, { domains: [], allowAbsent: true })).toEqual([undefined]);
    expect(await store.findChunks(asked, { domains: [publicDomain, red] })).toEqual([
      { pack: ours.descriptor.id, chunk: 0 },
    ]);
  });

  test('who may have a pack is known: everybody, who knows its secret, or nobody', async () => {
    const store = await open();
    const everybodys = samplePack({ seed: 1 }).descriptor;
    const secret = samplePack({ seed: 1, domain: red }).descriptor;
    const closed = unsalted(secret);
    for (const descriptor of [everybodys, secret, closed]) await store.addPack(descriptor);
    expect(store.access(everybodys.id)).toEqual({ kind: 'open' });
    expect(store.access(secret.id)).toEqual({ kind: 'secret', secret: secret.secret });
    expect(store.access(closed.id)).toEqual({ kind: 'closed' });
    expect(store.access(samplePack({ seed: 2, domain: red }).descriptor.id)).toBeUndefined();
  });

  test('of a chunk that two packs hold, the present one is found, whichever was added first', async () => {
    const store = await open();
    const common = samplePack({ seed: 9 }).chunk(0);
    const first = samplePack({ seed: 1, shared: [common] });
    const second = samplePack({ seed: 2, shared: [common] });
    const third = samplePack({ seed: 3, shared: [common] });
    for (const { descriptor } of [first, second, third]) await store.addPack(descriptor);
    await store.writePiece(second.piece(0));
    const found = await store.findChunks(digestsOf(first, [0]), { domains: [publicDomain], allowAbsent: true });
    expect(found).toEqual([{ pack: second.descriptor.id, chunk: 0 }]);
  });

  test('a present chunk in the last domain goes before an absent one in the first', async () => {
    const store = await open();
    const common = samplePack({ seed: 9 }).chunk(0);
    const absent = samplePack({ seed: 1, domain: red, shared: [common] });
    await store.addPack(absent.descriptor);
    const present = await addWhole(store, { seed: 2, shared: [common] });
    const found = await store.findChunks(digestsOf(absent, [0]), { domains: [red, publicDomain], allowAbsent: true });
    expect(found).toEqual([{ pack: present.descriptor.id, chunk: 0 }]);
  });

  test('a chunk of an evicted pack is not found any more, its copy in another pack is', async () => {
    const store = await open();
    const common = samplePack({ seed: 9 }).chunk(0);
    const evicted = await addWhole(store, { seed: 1, shared: [common] });
    const kept = await addWhole(store, { seed: 2, shared: [common] });
    await store.evict(kept.bytes.length);
    const asked = digestsOf(evicted, [0, 1]);
    expect(await store.findChunks(asked, { domains: [publicDomain], allowAbsent: true })).toEqual([
      { pack: kept.descriptor.id, chunk: 0 },
      undefined,
    ]);
  });
}
