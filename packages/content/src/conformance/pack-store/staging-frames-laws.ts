import { expect, test } from 'vitest';
import { countChunks } from '../../chunk-set.ts';
import { encodePiece } from '../../piece-encoding.ts';
import type { PackStage, PackStore } from '../../ports/pack-store.ts';
import { samplePack } from '../sample-pack.ts';
import type { SamplePack } from '../sample-pack.ts';
import { expectBytes } from './subject.ts';
import type { Laws, PackStoreHarness } from './subject.ts';

const compressible = { seed: 1, isCompressible: true } as const;

async function appendFramed(
  stage: PackStage,
  pack: SamplePack,
  firstChunk: number,
  count: number,
): Promise<Uint8Array> {
  const plain = pack.run(firstChunk, count);
  const frame = encodePiece(plain);
  if (!frame) throw new TypeError(`chunk ${firstChunk} and those behind it do not get smaller`);
  await stage.appendFrame(frame, plain.length);
  return frame;
}

/** Appends the pack in frames of `count` chunks, the last one shorter. */
async function stageFramed(store: PackStore, pack: SamplePack, count: number): Promise<void> {
  const { chunkCount } = pack.descriptor;
  const stage = await store.stagePack();
  for (let first = 0; first < chunkCount; first += count)
    await appendFramed(stage, pack, first, Math.min(count, chunkCount - first));
  await stage.finish(pack.descriptor);
}

/** Everything is there, and each piece kept as it would be had it been encoded alone. */
async function expectEncoded(store: PackStore, pack: SamplePack): Promise<void> {
  const { id, chunkCount, pieceCount } = pack.descriptor;
  expect(countChunks(store.present(id) ?? { chunkCount, bits: new Uint8Array() })).toBe(chunkCount);
  expectBytes(await store.readChunks(id, 0, chunkCount), pack.bytes);
  let storedBytes = 0;
  for (let piece = 0; piece < pieceCount; piece += 1) {
    const plain = pack.piece(piece).bytes;
    const frame = encodePiece(plain);
    const { encoding, bytes } = await store.readStored(id, piece);
    expect(encoding, `piece ${piece}`).toBe(frame ? 'zstd' : 'plain');
    expectBytes(bytes, frame ?? plain);
    storedBytes += bytes.length;
  }
  expect(store.usage()).toMatchObject({ presentBytes: pack.bytes.length, storedBytes });
  expect(await store.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
}

export function stagingFramesLaws({ open, subject }: Laws, { capabilities }: PackStoreHarness): void {
  test('staged frames that are pieces of the pack are kept as they came', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    const told: unknown[] = [];
    store.onPresent((...event) => told.push(event));
    const stage = await store.stagePack();
    const first = await appendFramed(stage, pack, 0, 4);
    await stage.append([pack.run(4, 3), pack.chunk(7)]);
    const last = await appendFramed(stage, pack, 8, 3);
    expect(store.usage()).toMatchObject({ packs: 0, storedBytes: 0 });
    await stage.finish(pack.descriptor);
    expect(told).toEqual([0b1111, 0b1111, 0b111].map((mask, piece) => [id, piece, mask]));
    expectBytes((await store.readStored(id, 0)).bytes, first);
    expect((await store.readStored(id, 1)).encoding).toBe('plain');
    expectBytes((await store.readStored(id, 2)).bytes, last);
    expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
    const storedBytes = first.length + pack.run(4, 4).length + last.length;
    expect(store.usage()).toMatchObject({ presentBytes: pack.bytes.length, storedBytes });
    expect(await store.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
  });

  test('plain bytes and frames that are appended at the same moment land in the order of the calls', async () => {
    const store = await open();
    const pack = samplePack({ ...compressible, chunkCount: 64, chunkBytes: () => 5000 });
    const stage = await store.stagePack();
    const appends = Array.from({ length: 16 }, (_, piece) =>
      piece % 3 === 0 ? stage.append([pack.run(4 * piece, 4)]) : appendFramed(stage, pack, 4 * piece, 4),
    );
    await stage.finish(pack.descriptor);
    await Promise.all(appends);
    expectBytes(await store.readChunks(pack.descriptor.id, 0, 64), pack.bytes);
    expect((await store.readStored(pack.descriptor.id, 3)).encoding).toBe('plain');
    expect((await store.readStored(pack.descriptor.id, 4)).encoding).toBe('zstd');
  });

  test.for([
    [4, 30, 16],
    [4, 37, 8],
    [8, 1030, 16],
  ] as const)(
    'where pieces turn out to have %d chunks, frames of more become frames of pieces (%d chunks, frames of %d)',
    async ([chunksPerPiece, chunkCount, inFrame]) => {
      const store = await open();
      const pack = samplePack({ ...compressible, chunkCount, chunkBytes: (chunk) => 200 + (chunk % 7) });
      expect(pack.descriptor.chunksPerPiece).toBe(chunksPerPiece);
      await stageFramed(store, pack, inFrame);
      await expectEncoded(store, pack);
    },
  );

  test('a piece that a frame held with others, and that is not worth encoding alone, becomes plain', async () => {
    const store = await open();
    // What comes twice comes in two pieces: alone, neither has anything to save.
    const noise = samplePack({ seed: 2, chunkCount: 4, chunkBytes: () => 900 });
    const shared = Array.from({ length: 8 }, (_, chunk) => Uint8Array.from(noise.chunk(chunk % 4)));
    for (const again of shared.slice(4)) again[0] = (again[0] ?? 0) ^ 1; // a pack has no chunk twice
    const pack = samplePack({ seed: 3, chunkCount: 1, shared });
    const stage = await store.stagePack();
    await appendFramed(stage, pack, 0, 8);
    await stage.append([pack.chunk(8)]);
    await stage.finish(pack.descriptor);
    expect((await store.readStored(pack.descriptor.id, 0)).encoding).toBe('plain');
    await expectEncoded(store, pack);
  });

  test('of a frame that ends within a piece, that piece becomes plain', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const stage = await store.stagePack();
    await stage.append([pack.run(0, 2)]);
    await appendFramed(stage, pack, 2, 5);
    await appendFramed(stage, pack, 7, 1);
    await appendFramed(stage, pack, 8, 3);
    await stage.finish(pack.descriptor);
    const encodings = await Promise.all([0, 1, 2].map((piece) => store.readStored(pack.descriptor.id, piece)));
    expect(encodings.map(({ encoding }) => encoding)).toEqual(['plain', 'plain', 'zstd']);
    expectBytes(await store.readChunks(pack.descriptor.id, 0, 11), pack.bytes);
    expect(await store.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
  });

  test('frames that are staged for a pack that is there in part bring what is missing', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    await store.addPack(pack.descriptor);
    await store.writePiece(pack.piece(0, 0b0010));
    await store.writePiece(pack.piece(1));
    await stageFramed(store, pack, 4);
    const encodings = await Promise.all([0, 1, 2].map((piece) => store.readStored(id, piece)));
    expect(encodings.map(({ encoding }) => encoding)).toEqual(['plain', 'plain', 'zstd']);
    expectBytes(await store.readChunks(id, 0, 11), pack.bytes);
  });

  test('pieces that are written at the moment a staged pack is finished do not mix with its frames', async () => {
    for (let round = 0; round < 6; round += 1) {
      const store = await open();
      const pack = samplePack({ ...compressible, chunkBytes: () => 30_000 });
      await store.addPack(pack.descriptor);
      const writes = round < 3 ? pack.pieces() : [pack.framed(0), pack.piece(1, 0b0110), pack.piece(2)];
      const writing = (): Promise<unknown> => Promise.all(writes.map((piece) => store.writePiece(piece)));
      const staging = stageFramed(store, pack, 4);
      await Promise.all(round % 2 === 0 ? [staging, writing()] : [staging.then(writing), writing()]);
      expectBytes(await store.readChunks(pack.descriptor.id, 0, 11), pack.bytes);
      expect(await store.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
    }
  });

  test('a frame that is no smaller than what it stands for is refused', async () => {
    const store = await open();
    const stage = await store.stagePack();
    await expect(stage.appendFrame(new Uint8Array(10), 10)).rejects.toMatchObject({ code: 'CONTENT_MALFORMED' });
    await stage.discard();
  });

  test('a staged frame of other bytes than its chunks is found by verify, and forgotten once it was dropped', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const { id } = pack.descriptor;
    const other = encodePiece(pack.run(0, 4).toReversed());
    const stage = await store.stagePack();
    await stage.appendFrame(other ?? Buffer.of(), pack.run(0, 4).length);
    await stage.append([pack.run(4, 7)]);
    await stage.finish(pack.descriptor);
    expectBytes(await store.readPiece(id, 0, 0b1111), pack.run(0, 4).toReversed());
    const report = await store.verify();
    expect(report.badChunks).toEqual([0, 1, 2, 3].map((chunk) => ({ pack: id, chunk })));
    await store.writePiece(pack.framed(0));
    expectBytes(await store.readPiece(id, 0, 0b1111), pack.run(0, 4));
  });

  test('the one who appends a frame keeps it', async () => {
    const store = await open();
    const pack = samplePack(compressible);
    const stage = await store.stagePack();
    for (let piece = 0; piece < 3; piece += 1) {
      const { frame, bytes } = pack.framed(piece);
      await stage.appendFrame(frame, bytes.length);
      frame.fill(0xff);
    }
    await stage.finish(pack.descriptor);
    await expectEncoded(store, pack);
  });

  // a law that says nothing of what does not last is not a test left out
  if (capabilities.isDurable) {
    test('staged frames are frames after reopening, those that were cut up too', async () => {
      const { store, reopen } = await subject();
      const pack = samplePack({ ...compressible, chunkCount: 30 });
      await stageFramed(store, pack, 16);
      await expectEncoded((await reopen?.()) ?? store, pack);
    });
  }
}
