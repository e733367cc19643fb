// Fills a small disk with and without a reserve, and prints what happened as one line of JSON. Argument: the disk's mount point.
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chunksOf } from '@quarry/content';
import type { PackStore } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { errorCode, silentLogger, systemClock } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import type { DiskStore, StoreOptions } from '@quarry/store';

const [mount = ''] = process.argv.slice(2);
const deps = { clock: systemClock, logger: silentLogger };
const samples = Array.from({ length: 12 }, (_, i) =>
  samplePack({ seed: 500 + i, chunkCount: 64, chunkBytes: () => 64 * 1024 }),
);
const large = { syncBytes: 2 ** 20, syncDelayMs: 10, indexWriteBufferBytes: 256 * 1024 };

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'done';
  } catch (error) {
    return errorCode(error) ?? String(error);
  }
}

/** Writes packs until one is refused; returns the code, and how many pieces were written. */
async function fill(store: PackStore): Promise<{ code: string; pieces: number }> {
  let pieces = 0;
  const code = await codeOf(async () => {
    for (const pack of samples) {
      await store.addPack(pack.descriptor);
      for (const piece of pack.pieces()) {
        await store.writePiece(piece);
        pieces += 1;
      }
    }
  });
  return { code, pieces };
}

/** How many chunks are said to be present, and how many of these are right. */
async function compare(store: PackStore): Promise<{ present: number; right: number }> {
  let present = 0;
  let right = 0;
  for (const pack of samples) {
    for (const chunk of presentOf(store, pack)) {
      present += 1;
      const bytes = await store.readChunks(pack.descriptor.id, chunk, 1);
      if (Buffer.compare(bytes, pack.chunk(chunk)) === 0) right += 1;
    }
  }
  return { present, right };
}

function presentOf(store: PackStore, pack: SamplePack): number[] {
  const present = store.present(pack.descriptor.id);
  return present ? [...chunksOf(present)] : [];
}

async function opened(options: Omit<StoreOptions, 'directory'>): Promise<DiskStore> {
  return await createDiskStore(deps, { directory: join(mount, 'store'), ...large, ...options });
}

async function withReserve(): Promise<unknown> {
  let store = await opened({ reserveBytes: 4 * 2 ** 20 });
  const filled = await fill(store.packs);
  const stage = await store.packs.stagePack();
  const staged = await codeOf(() => stage.append([samples[11]?.bytes ?? Buffer.of()]));
  await stage.discard();
  // The reserve is what these are for.
  const kept = await codeOf(async () => {
    await store.packs.sync();
    await store.packs.pin([samples[0]?.descriptor.id ?? never()], 'golden');
  });
  const full = await compare(store.packs);
  const evicted = await store.packs.evict(4 * 2 ** 20);
  const again = await codeOf(() => store.packs.writePiece((samples[0] ?? never()).piece(0)));
  await store.close();
  store = await opened({});
  const reopened = await compare(store.packs);
  const { badChunks } = await store.packs.verify();
  await store.packs.unpin('golden');
  await store.packs.evict(0);
  await store.close();
  await rm(join(mount, 'store'), { recursive: true });
  return { filled, staged, kept, full, evictedPacks: evicted.evictedPacks, again, reopened, badChunks };
}

async function withoutReserve(): Promise<unknown> {
  const ballast = join(mount, 'ballast');
  let store = await opened({ reserveBytes: 0 });
  const filled = await fill(store.packs);
  const synced = await codeOf(() => store.packs.sync());
  const before = await compare(store.packs);
  await takeTheRest(ballast);
  // Until the index, too, has nowhere to write to.
  let pinned = 'done';
  let pins = 0;
  for (; pinned === 'done' && pins < 10_000; pins += 1) {
    pinned = await codeOf(() =>
      store.packs.pin([(samples[11] ?? never()).descriptor.id], `${pins} ${'x'.repeat(1000)}`),
    );
  }
  const full = await compare(store.packs);
  const evicted = await store.packs.evict(before.present * 32 * 1024);
  const afterEviction = await compare(store.packs);
  await rm(ballast);
  const [pinnedAgain, syncedAgain] = [
    await codeOf(() => store.packs.pin([(samples[11] ?? never()).descriptor.id], 'after')),
    await codeOf(() => store.packs.sync()),
  ];
  const writtenAgain = await codeOf(async () => {
    await store.packs.addPack((samples[0] ?? never()).descriptor);
    await store.packs.writePiece((samples[0] ?? never()).piece(3));
  });
  const atClose = await compare(store.packs);
  await store.close();
  store = await opened({ reserveBytes: 0 });
  const reopened = await compare(store.packs);
  const { badChunks } = await store.packs.verify();
  const lostPins = pins - (await store.packs.pins()).size;
  await store.close();
  const evictedPacks = evicted.evictedPacks;
  return {
    filled,
    synced,
    before,
    pinned,
    full,
    evictedPacks,
    afterEviction,
    pinnedAgain,
    syncedAgain,
    writtenAgain,
    atClose,
    reopened,
    badChunks,
    lostPins,
  };
}

/** Writes a file until not one byte more fits. */
async function takeTheRest(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let size = 2 ** 20; size > 0; size >>= 1) {
      while ((await codeOf(() => file.write(Buffer.alloc(size)))) === 'done');
    }
  } finally {
    await file.close();
  }
}

function never(): never {
  throw new Error('there are twelve packs');
}

console.log(JSON.stringify({ withReserve: await withReserve(), withoutReserve: await withoutReserve() }));
