import { expect, test } from 'vitest';
import { countChunks, isEmpty } from '../../chunk-set.ts';
import { publicDomain } from '../../ids.ts';
import type { PackStore } from '../../ports/pack-store.ts';
import { digestsOf, samplePack } from '../sample-pack.ts';
import type { SamplePack } from '../sample-pack.ts';
import { expectBytes, expectCode, knownIds } from './subject.ts';
import type { Laws } from './subject.ts';

export function stagingLaws({ open }: Laws): void {
  test('a finished stage is a pack with every chunk present', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    await stage.append([pack.run(0, 3), pack.run(3, 1)]);
    await stage.append([pack.run(4, 7)]);
    await stage.finish(pack.descriptor);
    await expectWhole(store, pack);
    expect(store.usage()).toMatchObject({ packs: 1, presentBytes: pack.bytes.length, pinnedPacks: 0 });
    expect(await store.findChunks(digestsOf(pack, [10]), { domains: [publicDomain] })).toEqual([
      { pack: pack.descriptor.id, chunk: 10 },
    ]);
  });

  test('appends that overlap land in the order in which they were called', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1, chunkCount: 40, chunkBytes: (chunk) => (chunk % 2 === 0 ? 9000 : 3) });
    const stage = await store.stagePack();
    const appends = Array.from({ length: 40 }, (_, chunk) => stage.append([pack.chunk(chunk)]));
    await stage.finish(pack.descriptor);
    await Promise.all(appends);
    await expectWhole(store, pack);
  });

  test('staged bytes are invisible until they are finished', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    await stage.append([pack.bytes]);
    expect(knownIds(store)).toEqual([]);
    expect(store.usage()).toMatchObject({ packs: 0, presentBytes: 0, pinnedPacks: 0 });
    await expectCode(store.readChunks(pack.descriptor.id, 0, 1), 'STORE_PACK_UNKNOWN');
    await stage.discard();
  });

  test('several stages are filled side by side', async () => {
    const store = await open();
    const packs = [1, 2, 3].map((seed) => samplePack({ seed }));
    const stages = await Promise.all(packs.map(() => store.stagePack()));
    for (let chunk = 0; chunk < 11; chunk += 1) {
      await Promise.all(stages.map((stage, i) => stage.append([packs[i]?.chunk(chunk) ?? new Uint8Array()])));
    }
    await Promise.all(
      stages.map((stage, i) => stage.finish(packs[i]?.descriptor ?? samplePack({ seed: 0 }).descriptor)),
    );
    for (const pack of packs) await expectWhole(store, pack);
  });

  test('finishing tells listeners of each piece once', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const told: (readonly [string, number, number])[] = [];
    store.onPresent((...event) => told.push(event));
    const stage = await store.stagePack();
    await stage.append([pack.bytes]);
    expect(told).toEqual([]);
    await stage.finish(pack.descriptor);
    expect(told).toEqual([0b1111, 0b1111, 0b111].map((mask, piece) => [pack.descriptor.id, piece, mask]));
  });

  test.for([
    ['known and empty', []],
    ['partly present', [1]],
    ['wholly present', [0, 1, 2]],
  ] as const)('a pack that is %s becomes wholly present', async ([, pieces]) => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    const lease = store.lease([pack.descriptor.id]);
    for (const piece of pieces) await store.writePiece(pack.piece(piece));
    const told: number[] = [];
    store.onPresent((_, piece) => told.push(piece));
    const stage = await store.stagePack();
    await stage.append([pack.bytes]);
    await stage.finish(pack.descriptor);
    lease.release();
    await expectWhole(store, pack);
    expect(store.usage().presentBytes).toBe(pack.bytes.length);
    expect(told).toEqual([0, 1, 2].filter((piece) => !(pieces as readonly number[]).includes(piece)));
  });

  test('two stages of the same pack may be finished at the same moment, while pieces of it are written', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    await store.addPack(pack.descriptor);
    const stages = await Promise.all([store.stagePack(), store.stagePack()]);
    for (const stage of stages) await stage.append([pack.bytes]);
    const writes = pack.pieces().map((piece) => store.writePiece(piece));
    await Promise.all([...stages.map((stage) => stage.finish(pack.descriptor)), ...writes]);
    await expectWhole(store, pack);
    expect(store.usage().presentBytes).toBe(pack.bytes.length);
  });

  test.for([-1, 1])('a stage of %d bytes more than the pack is refused and dropped', async (more) => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    await stage.append([Buffer.concat([pack.bytes, Buffer.of(7)]).subarray(0, pack.bytes.length + more)]);
    await expectCode(stage.finish(pack.descriptor), 'STORE_STAGE_MISMATCH');
    expect(knownIds(store)).toEqual([]);
    await expectCode(stage.append([Buffer.of(7)]), 'STORE_STAGE_MISMATCH');
    await stage.discard();
  });

  test('after an append has failed, every later call but discard fails too', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    await stage.append([pack.run(0, 4)]);
    const reason = new Error('no longer wanted');
    await expect(stage.append([pack.run(4, 7)], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(stage.append([pack.run(4, 7)])).rejects.toBe(reason);
    await expect(stage.finish(pack.descriptor)).rejects.toBe(reason);
    await stage.discard();
    expect(knownIds(store)).toEqual([]);
  });

  test('a discarded stage leaves nothing, and can be discarded again', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    await stage.append([pack.bytes]);
    await stage.discard();
    await stage.discard();
    expect(knownIds(store)).toEqual([]);
    await expect(stage.append([pack.bytes])).rejects.toThrow(TypeError);
    await expect(stage.finish(pack.descriptor)).rejects.toThrow(TypeError);
    expect((await store.verify()).strayFiles).toEqual([]);
  });

  test('discarding after finishing takes nothing away', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    await stage.append([pack.bytes]);
    await stage.finish(pack.descriptor);
    await stage.discard();
    await expectWhole(store, pack);
  });

  test('the one who appends keeps the buffers', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const buffer = Buffer.from(pack.bytes);
    const stage = await store.stagePack();
    await stage.append([buffer]);
    buffer.fill(0xff);
    await stage.finish(pack.descriptor);
    await expectWhole(store, pack);
  });

  test('a stage that is open when its store is closed can only be discarded', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    const stage = await store.stagePack();
    await stage.append([pack.run(0, 1)]);
    await store.close();
    await expectCode(stage.append([pack.run(1, 10)]), 'STORE_CLOSED');
    await expectCode(stage.finish(pack.descriptor), 'STORE_CLOSED');
    await stage.discard();
  });

  test('a staged pack can be evicted and staged again', async () => {
    const store = await open();
    const pack = samplePack({ seed: 1 });
    for (let round = 0; round < 2; round += 1) {
      const stage = await store.stagePack();
      await stage.append([pack.bytes]);
      await stage.finish(pack.descriptor);
      await expectWhole(store, pack);
      await store.evict(0);
      expect(knownIds(store)).toEqual([]);
    }
  });
}

async function expectWhole(store: PackStore, pack: SamplePack): Promise<void> {
  const { id, chunkCount } = pack.descriptor;
  const present = store.present(id);
  expect(present && !isEmpty(present) && countChunks(present)).toBe(chunkCount);
  expectBytes(await store.readChunks(id, 0, chunkCount), pack.bytes);
}
