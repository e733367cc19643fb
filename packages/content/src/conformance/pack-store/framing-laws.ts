import { createSeededRandom } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { addChunk, addRun, chunksOf, createChunkSet, hasChunk } from '../../chunk-set.ts';
import type { PackStore } from '../../ports/pack-store.ts';
import { samplePack } from '../sample-pack.ts';
import type { SamplePack, SamplePackOptions } from '../sample-pack.ts';
import { fullPieceMask, pieceChunks } from '../../pack-descriptor.ts';
import { expectBytes, expectCode } from './subject.ts';
import type { Laws, PackStoreHarness } from './subject.ts';

const compressible = { seed: 1, isCompressible: true } as const;

/** Adds a pack and writes all of it as frames. */
export async function addFramed(store: PackStore, options: SamplePackOptions = compressible): Promise<SamplePack> {
  const pack = samplePack({ ...options, isCompressible: true });
  await store.addPack(pack.descriptor);
  for (let piece = 0; piece < pack.descriptor.pieceCount; piece += 1) await store.writePiece(pack.framed(piece));
  return pack;
}

export function framesOf(pack: SamplePack): Uint8Array[] {
  return Array.from({ length: pack.descriptor.pieceCount }, (_, piece) => pack.framed(piece).frame);
}

export function bytesOf(frames: readonly Uint8Array[]): number {
  return frames.reduce((sum, { length }) => sum + length, 0);
}

export function framingLaws({ open, subject }: Laws, { capabilities }: PackStoreHarness): void {
  test('a piece that came as a frame is present, and reads back plain in every way', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    const told: unknown[] = [];
    store.onPresent((...event) => told.push(event));
    await store.writePiece(pack.framed(0));
    await store.writePiece(pack.piece(1));
    await store.writePiece(pack.framed(2));
    expect(told).toEqual([
      [id, 0, 0b1111],
      [id, 1, 0b1111],
      [id, 2, 0b111],
    ]);
    expectBytes(await store.readPiece(id, 0, 0b1111), pack.run(0, 4));
    expectBytes(await store.readPiece(id, 0, 0b1010), Buffer.concat([pack.chunk(1), pack.chunk(3)]));
    for (let chunk = 0; chunk < 11; chunk += 1) expectBytes(await store.readChunks(id, chunk, 1), pack.chunk(chunk));
    for (let first = 0; first < 11; first += 1)
      expectBytes(await store.readChunks(id, first, 11 - first), pack.run(first, 11 - first));
    await Promise.all(
      Array.from({ length: 11 }, async (_, i) => expectBytes(await store.readChunks(id, i, 1), pack.chunk(i))),
    );
  });

  test('a whole piece is read as it is kept', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.framed(0));
    await store.writePiece(pack.piece(1));
    await store.writePiece(pack.piece(2, 0b011));
    const framed = await store.readStored(id, 0);
    expect(framed.encoding).toBe('zstd');
    expectBytes(framed.bytes, pack.framed(0).frame);
    const plain = await store.readStored(id, 1);
    expect(plain.encoding).toBe('plain');
    expectBytes(plain.bytes, pack.run(4, 4));
    await expect(store.readStored(id, 2)).rejects.toMatchObject({
      code: 'STORE_CHUNK_ABSENT',
      details: { pack: id, chunk: 10 },
    });
    await expect(store.readStored(id, 3)).rejects.toThrow(TypeError);
    await expectCode(store.readStored(samplePack({ seed: 9 }).descriptor.id, 0), 'STORE_PACK_UNKNOWN');
  });

  test.for([
    ['a frame', true],
    ['a plain piece', false],
  ] as const)('%s is read into the buffer that the reader brings, if it is long enough', async ([, isFramed]) => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await store.writePiece(isFramed ? pack.framed(0) : pack.piece(0));
    const stored = isFramed ? pack.framed(0).frame : pack.run(0, 4);
    const room = new Uint8Array(pack.run(0, 4).length + 20);
    const { bytes } = await store.readStored(id, 0, { into: room.subarray(10) });
    expect([bytes.buffer, bytes.byteOffset, bytes.length]).toEqual([room.buffer, 10, stored.length]);
    expectBytes(bytes, stored);
    expectBytes(room.subarray(0, 10), new Uint8Array(10));
    expectBytes(room.subarray(10 + stored.length), new Uint8Array(room.length - 10 - stored.length));
    expectBytes((await store.readStored(id, 0, { into: new Uint8Array(stored.length - 1) })).bytes, stored);
    const masked = await store.readPiece(id, 0, 0b0110, { into: room });
    expect([masked.buffer, masked.byteOffset]).toEqual([room.buffer, 0]);
    expectBytes(masked, pack.run(1, 2));
    expectBytes(await store.readPiece(id, 0, 0b0110, { into: new Uint8Array(3) }), pack.run(1, 2));
  });

  test('writers keep their frames and readers own what they got', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    const written = pack.framed(0);
    const { frame } = pack.framed(0);
    await store.writePiece(written);
    written.frame.fill(0xff);
    (await store.readStored(id, 0)).bytes.fill(0xff);
    (await store.readPiece(id, 0, 0b1111)).fill(0xff);
    (await store.readChunks(id, 0, 4)).fill(0xff);
    expectBytes((await store.readStored(id, 0)).bytes, frame);
    expectBytes(await store.readPiece(id, 0, 0b1111), pack.run(0, 4));
  });

  test('usage tells plain bytes from those that are kept, and eviction counts the latter', async () => {
    const store = await open();
    const pack = await addFramed(store);
    const storedBytes = bytesOf(framesOf(pack));
    expect(storedBytes).toBeLessThan(0.8 * pack.bytes.length);
    expect(store.usage()).toEqual({ packs: 1, presentBytes: pack.bytes.length, storedBytes, pinnedPacks: 0 });
    expect(await store.evict(storedBytes)).toEqual({
      evictedPacks: 0,
      evictedBytes: 0,
      keptBytes: storedBytes,
      heldBytes: 0,
    });
    const lease = store.lease([pack.descriptor.id]);
    expect(await store.evict(0)).toMatchObject({ keptBytes: storedBytes, heldBytes: storedBytes });
    lease.release();
    expect(await store.evict(storedBytes - 1)).toMatchObject({ evictedPacks: 1, evictedBytes: storedBytes });
    expect(store.usage()).toEqual({ packs: 0, presentBytes: 0, storedBytes: 0, pinnedPacks: 0 });
  });

  test('of a piece that is there in part, a frame brings what is missing, plain', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(0, 0b0100));
    await store.writePiece(pack.framed(0));
    const { encoding, bytes } = await store.readStored(id, 0);
    expect(encoding).toBe('plain');
    expectBytes(bytes, pack.run(0, 4));
    expect(store.usage()).toMatchObject({ presentBytes: bytes.length, storedBytes: bytes.length });
  });

  test('of a piece that is there, another encoding changes nothing', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.framed(0));
    await store.writePiece(pack.piece(1));
    const usage = store.usage();
    const told: unknown[] = [];
    store.onPresent((_, piece) => told.push(piece));
    await store.writePiece(pack.piece(0));
    await store.writePiece(pack.piece(0, 0b0010));
    await store.writePiece(pack.framed(1));
    expect(told).toEqual([]);
    expect(store.usage()).toEqual(usage);
    expect((await store.readStored(pack.descriptor.id, 0)).encoding).toBe('zstd');
    expect((await store.readStored(pack.descriptor.id, 1)).encoding).toBe('plain');
  });

  test('a piece that is written plain, in parts and as a frame at the same moment is never half of each', async () => {
    for (let round = 0; round < 6; round += 1) {
      const store = await open();
      const pack = samplePack({ ...compressible, chunkBytes: (chunk) => 20_000 + chunk });
      const { id } = pack.descriptor;
      await store.addPack(pack.descriptor);
      let told = 0;
      store.onPresent((_, __, mask) => {
        expect(told & mask, 'told twice of a chunk').toBe(0);
        told |= mask;
      });
      const pieces = [pack.framed(0), pack.piece(0), pack.piece(0, 0b0110), pack.framed(0), pack.piece(0, 0b1001)];
      const turned = [...pieces.slice(round % 5), ...pieces.slice(0, round % 5)];
      await Promise.all(turned.map((piece) => store.writePiece(piece)));
      expect(told).toBe(0b1111);
      expectBytes(await store.readPiece(id, 0, 0b1111), pack.run(0, 4));
      const { encoding, bytes } = await store.readStored(id, 0);
      expectBytes(bytes, encoding === 'zstd' ? pack.framed(0).frame : pack.run(0, 4));
      expect(store.usage()).toMatchObject({ presentBytes: pack.run(0, 4).length, storedBytes: bytes.length });
    }
  });

  test('with a chunk of a frame its whole piece is dropped, and no other', async () => {
    const store = await open();
    const pack = await addFramed(store);
    const { id } = pack.descriptor;
    const dropped = createChunkSet(11);
    addChunk(dropped, 6);
    await store.dropChunks(id, dropped);
    expect([...chunksOf(store.present(id) ?? createChunkSet(1))]).toEqual([0, 1, 2, 3, 8, 9, 10]);
    await expectCode(store.readChunks(id, 5, 1), 'STORE_CHUNK_ABSENT');
    await expectCode(store.readStored(id, 1), 'STORE_CHUNK_ABSENT');
    const [first = Buffer.of(), , last = Buffer.of()] = framesOf(pack);
    expect(store.usage()).toMatchObject({
      presentBytes: pack.bytes.length - pack.run(4, 4).length,
      storedBytes: first.length + last.length,
    });
    expectBytes(await store.readChunks(id, 8, 3), pack.run(8, 3));
  });

  test('what was a frame can be plain when it comes back, and the reverse', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    const all = createChunkSet(11);
    addRun(all, 0, 11);
    const pieces = [pack.framed(0), pack.piece(0), pack.framed(0), pack.piece(0, 0b0111), pack.framed(0)];
    for (const piece of pieces) {
      await store.writePiece(piece);
      const { first } = pieceChunks(pack.descriptor, 0);
      for (let i = 0; i < 4; i += 1)
        if ((piece.mask >> i) & 1) expectBytes(await store.readChunks(id, first + i, 1), pack.chunk(first + i));
      expect((await store.verify()).badChunks).toEqual([]);
      await store.sync();
      await store.dropChunks(id, all);
      await expectCode(store.readChunks(id, 0, 1), 'STORE_CHUNK_ABSENT');
    }
  });

  test('frames are verified by the chunks that come out of them', async () => {
    const store = await open();
    const pack = await addFramed(store);
    const totalBytes = pack.bytes.length;
    expect(await store.verify()).toEqual({
      packs: 1,
      checkedChunks: 11,
      checkedBytes: totalBytes,
      badChunks: [],
      strayFiles: [],
    });
  });

  // a law that says nothing of what does not last is not a test left out
  if (capabilities.isDamageable) {
    test('a damaged frame is found by verify, and its piece dropped', async () => {
      const { store, damage } = await subject();
      const pack = await addFramed(store);
      const { id } = pack.descriptor;
      await store.sync();
      expectBytes(await store.readChunks(id, 4, 1), pack.chunk(4)); // what a reader remembers is no proof
      await damage?.(id, 4);
      const report = await store.verify();
      expect(report.badChunks).toEqual([4, 5, 6, 7].map((chunk) => ({ pack: id, chunk })));
      expect([...chunksOf(store.present(id) ?? createChunkSet(1))]).toEqual([0, 1, 2, 3, 8, 9, 10]);
      await store.writePiece(pack.framed(1));
      expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
      expect((await store.verify()).badChunks).toEqual([]);
    });

    test.for(['readStored', 'readPiece', 'readChunks'] as const)(
      'a damaged frame is not given out: %s drops its piece and says that it is absent',
      async (read) => {
        const { store, damage } = await subject();
        const pack = await addFramed(store);
        const { id } = pack.descriptor;
        await store.sync();
        await damage?.(id, 4);
        const told: string[] = [];
        store.onAbsent((absent) => told.push(absent));
        const reading = {
          readStored: () => store.readStored(id, 1),
          readPiece: () => store.readPiece(id, 1, 0b0100),
          readChunks: () => store.readChunks(id, 2, 7),
        };
        await expectCode(reading[read](), 'STORE_CHUNK_ABSENT');
        expect(told).toEqual([id]);
        expect([...chunksOf(store.present(id) ?? createChunkSet(1))]).toEqual([0, 1, 2, 3, 8, 9, 10]);
        await store.writePiece(pack.piece(1));
        expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
      },
    );
  }

  test.for([1, 2, 3, 4])(
    'whatever comes as frames, plain or in parts, is dropped, synced and reopened, reads are right (seed %d)',
    async (seed) => {
      const { store: first, reopen } = await subject();
      let store = first;
      const random = createSeededRandom(seed);
      const below = (limit: number): number => Math.floor(random.next() * limit);
      const pack = samplePack({ seed, isCompressible: true, chunkCount: 22, chunkBytes: (chunk) => 300 + 90 * chunk });
      const { descriptor } = pack;
      const { id, pieceCount, chunkCount } = descriptor;
      const expected = createModel(pack);
      await store.addPack(descriptor);
      for (let step = 0; step < 80; step += 1) {
        const piece = below(pieceCount);
        const whole = fullPieceMask(descriptor, piece);
        const mask = whole & (1 + below(15)) || whole;
        const dice = below(20);
        if (dice < 6) {
          await store.writePiece(pack.framed(piece));
          expected.write(piece, whole, true);
        } else if (dice < 12) {
          await store.writePiece(pack.piece(piece, mask));
          expected.write(piece, mask, false);
        } else if (dice < 16) {
          const chunks = createChunkSet(chunkCount);
          addChunk(chunks, below(chunkCount));
          addChunk(chunks, below(chunkCount));
          await store.dropChunks(id, chunks);
          expected.drop(chunksOf(chunks));
        } else if (dice < 18) await store.sync();
        else if (dice < 19 && reopen) store = await reopen();
        expect(store.present(id)?.bits).toEqual(expected.present.bits);
        expect(store.usage()).toMatchObject(expected.usage());
        for (let each = 0; each < pieceCount; each += 1) await expected.compare(store, each);
        const from = below(chunkCount);
        const count = 1 + below(chunkCount - from);
        const isThere = Array.from({ length: count }, (_, i) => from + i).every((i) => hasChunk(expected.present, i));
        if (isThere) expectBytes(await store.readChunks(id, from, count), pack.run(from, count));
        else await expectCode(store.readChunks(id, from, count), 'STORE_CHUNK_ABSENT');
      }
      expect(await store.verify()).toMatchObject({ badChunks: [], checkedBytes: expected.usage().presentBytes });
    },
  );
}

/** What a store must have of a pack, piece by piece. */
interface Model {
  readonly present: ReturnType<typeof createChunkSet>;
  write(piece: number, mask: number, isFrame: boolean): void;
  drop(chunks: Iterable<number>): void;
  usage(): { readonly presentBytes: number; readonly storedBytes: number };
  compare(store: PackStore, piece: number): Promise<void>;
}

function createModel(pack: SamplePack): Model {
  const { descriptor } = pack;
  const present = createChunkSet(descriptor.chunkCount);
  const framed = new Set<number>();
  const maskOf = (piece: number): number => {
    const { first, count } = pieceChunks(descriptor, piece);
    let mask = 0;
    for (let i = 0; i < count; i += 1) if (hasChunk(present, first + i)) mask |= 1 << i;
    return mask;
  };
  const remove = (chunk: number): void => {
    present.bits[chunk >> 3] = (present.bits[chunk >> 3] ?? 0) & ~(1 << (chunk & 7));
  };
  return {
    present,
    write(piece, mask, isFrame) {
      if (isFrame && maskOf(piece) === 0) framed.add(piece);
      const { first, count } = pieceChunks(descriptor, piece);
      for (let i = 0; i < count; i += 1) if ((mask >> i) & 1) addChunk(present, first + i);
    },
    drop(chunks) {
      for (const chunk of chunks) {
        const piece = Math.floor(chunk / descriptor.chunksPerPiece);
        const { first, count } = pieceChunks(descriptor, piece);
        if (!framed.delete(piece)) remove(chunk);
        else for (let each = first; each < first + count; each += 1) remove(each);
      }
    },
    usage() {
      let presentBytes = 0;
      let storedBytes = 0;
      for (const chunk of chunksOf(present)) {
        presentBytes += pack.chunk(chunk).length;
        if (!framed.has(Math.floor(chunk / descriptor.chunksPerPiece))) storedBytes += pack.chunk(chunk).length;
      }
      for (const piece of framed) storedBytes += pack.framed(piece).frame.length;
      return { presentBytes, storedBytes };
    },
    async compare(store, piece) {
      const reading = store.readStored(descriptor.id, piece);
      if (maskOf(piece) !== fullPieceMask(descriptor, piece)) return await expectCode(reading, 'STORE_CHUNK_ABSENT');
      const { encoding, bytes } = await reading;
      expect(encoding).toBe(framed.has(piece) ? 'zstd' : 'plain');
      expectBytes(bytes, framed.has(piece) ? pack.framed(piece).frame : pack.piece(piece).bytes);
    },
  };
}
