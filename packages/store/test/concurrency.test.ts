import { addRun, createChunkSet, fullPieceMask, pieceChunks } from '@quarry/content';
import type { PackStore } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import { createSeededRandom, errorCode } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { temporaryStore } from './temporary-store.ts';

const samples = Array.from({ length: 5 }, (_, i) =>
  samplePack({
    seed: 700 + i,
    chunkCount: 50 + i,
    chunkBytes: (chunk) => 2000 + 13 * (chunk % 9),
    isCompressible: true,
  }),
);
/** What a call may come to while others evict and drop. */
const expected = new Set(['STORE_PACK_UNKNOWN', 'STORE_CHUNK_ABSENT']);

async function unlessGone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!expected.has(errorCode(error) ?? '')) throw error;
  }
}

/** One of everything a store can do, on packs that the others work on too. */
async function actAtRandom(store: PackStore, below: (limit: number) => number): Promise<number> {
  const pack = samples[below(samples.length)] ?? samplePack({ seed: 0 });
  const { descriptor } = pack;
  const { id } = descriptor;
  const piece = below(descriptor.pieceCount);
  const mask = fullPieceMask(descriptor, piece) & (1 + below(15));
  const dice = below(20);
  let compared = 0;
  if (dice < 7) {
    await store.addPack(descriptor);
    const written = below(2) === 0 ? pack.framed(piece) : mask === 0 ? pack.piece(piece) : pack.piece(piece, mask);
    await unlessGone(() => store.writePiece(written));
  } else if (dice < 10) {
    await unlessGone(async () => {
      const { encoding, bytes } = await store.readStored(id, piece);
      const stored = encoding === 'zstd' ? pack.framed(piece).frame : pack.piece(piece).bytes;
      expect(Buffer.compare(bytes, stored), `piece ${piece} of ${id}, ${encoding}`).toBe(0);
      compared += 1;
    });
  } else if (dice < 14) {
    await unlessGone(async () => {
      const { first, count } = pieceChunks(descriptor, piece);
      const bytes = await store.readChunks(id, first, count);
      expect(Buffer.compare(bytes, pack.run(first, count)), `piece ${piece} of ${id}`).toBe(0);
      compared += 1;
    });
  } else if (dice < 15) {
    const stage = await store.stagePack();
    if (below(2) === 0)
      await Promise.all([stage.append([pack.bytes.subarray(0, 999)]), stage.append([pack.bytes.subarray(999)])]);
    else {
      const pieces = Array.from({ length: descriptor.pieceCount }, (_, each) => pack.framed(each));
      await Promise.all(pieces.map(({ frame, bytes }) => stage.appendFrame(frame, bytes.length)));
    }
    await stage.finish(descriptor);
  } else if (dice < 16) {
    const chunks = createChunkSet(descriptor.chunkCount);
    addRun(chunks, below(40), 8);
    await store.dropChunks(id, chunks);
  } else if (dice < 17) await store.evict(below(3) * 100_000);
  else if (dice < 18) await store.sync();
  else if (dice < 19) expect(await store.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
  else {
    const lease = store.lease([id]);
    await unlessGone(() => store.readPiece(id, piece, mask || 1));
    lease.release();
  }
  return compared;
}

test('whatever many do to the same packs at the same time, nobody ever reads a wrong byte', {
  timeout: 60_000,
}, async () => {
  const seed = Number(process.env.QUARRY_SEED ?? 20_260_102);
  const temporary = await temporaryStore({
    syncBytes: 100_000,
    syncDelayMs: 5,
    maxUnsyncedBytes: 150_000,
    maxOpenFiles: 2,
    descriptorCacheBytes: 4000,
  });
  try {
    const { packs } = temporary.store;
    const workers = Array.from({ length: 8 }, async (_, worker) => {
      const random = createSeededRandom(seed + worker);
      let compared = 0;
      for (let i = 0; i < 150; i += 1)
        compared += await actAtRandom(packs, (limit) => Math.floor(random.next() * limit));
      return compared;
    });
    const compared = (await Promise.all(workers)).reduce((sum, count) => sum + count, 0);
    expect(compared, `seed ${seed}`).toBeGreaterThan(20);
    expect(await packs.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
    const reopened = (await temporary.reopen()).packs;
    expect(await reopened.verify()).toMatchObject({ badChunks: [], strayFiles: [] });
  } finally {
    await temporary.dispose();
  }
});
