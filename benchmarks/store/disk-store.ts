// How fast is the disk store by itself? `node --conditions=source benchmarks/store/disk-store.ts [--packs N] [--json]`
// Digests are random and nothing is hashed: hashing has its own figure.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createPackDescriptor, limits, packBytes, pieceChunks, publicDomain, sealPiece } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import type { DiskStore } from '@quarry/store';

const MIB = 2 ** 20;
const { values } = parseArgs({
  options: {
    packs: { type: 'string', default: '4' },
    known: { type: 'string', default: '4096' },
    json: { type: 'boolean' },
  },
});
const packCount = Number(values.packs);
const knownCount = Number(values.known);
const results: Record<string, number> = {};

function randomPack(chunkCount: number): PackDescriptor {
  const lengths = new Uint32Array(chunkCount).fill(limits.fixedChunkBytes);
  return createPackDescriptor({ domain: publicDomain, digests: systemRandom.bytes(32 * chunkCount), lengths });
}

async function measured(work: () => Promise<void>): Promise<number> {
  const startMs = systemClock.now();
  await work();
  return (systemClock.now() - startMs) / 1000;
}

async function inPool<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const one = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

async function measurePieces(store: DiskStore): Promise<void> {
  const { packs } = store;
  const bytes = systemRandom.bytes(limits.maxPieceBytes).subarray(0, 16 * limits.fixedChunkBytes);
  const descriptors = Array.from({ length: packCount }, () => randomPack(limits.maxChunksPerPack));
  const totalMib = (packCount * packBytes(descriptors[0] as PackDescriptor)) / MIB;
  const addSeconds = await measured(async () => {
    for (const descriptor of descriptors) await packs.addPack(descriptor);
  });
  results.addedChunksPerSecond = (packCount * limits.maxChunksPerPack) / addSeconds;
  const pieces = descriptors.flatMap((descriptor) =>
    Array.from({ length: descriptor.pieceCount }, (_, piece) => ({ descriptor, piece })),
  );
  let syncSeconds = 0;
  const writeSeconds = await measured(() =>
    inPool(pieces, 4, ({ descriptor, piece }) => packs.writePiece(sealPiece(descriptor, piece, bytes))),
  );
  syncSeconds = await measured(() => packs.sync());
  results.writtenMibPerSecond = totalMib / writeSeconds;
  results.durableMibPerSecond = totalMib / (writeSeconds + syncSeconds);
  const readSeconds = await measured(() =>
    inPool(pieces, 4, ({ descriptor, piece }) => packs.readPiece(descriptor.id, piece, 0xffff)),
  );
  results.readMibPerSecond = totalMib / readSeconds;
  const runs = descriptors.flatMap((descriptor) =>
    Array.from({ length: 32 }, (_, i) => ({ descriptor, first: i * 128 })),
  );
  const into = Buffer.alloc(128 * limits.fixedChunkBytes);
  const runSeconds = await measured(() =>
    inPool(runs, 1, ({ descriptor, first }) => packs.readChunks(descriptor.id, first, 128, { into })),
  );
  results.readRunsMibPerSecond = totalMib / runSeconds;

  const hits = Buffer.concat(descriptors.map(({ digests }) => digests));
  const hitSeconds = await measured(async () => void (await packs.findChunks(hits, { domains: [publicDomain] })));
  results.foundChunksPerSecond = hits.length / 32 / hitSeconds;
  const misses = systemRandom.bytes(hits.length);
  const missSeconds = await measured(async () => void (await packs.findChunks(misses, { domains: [publicDomain] })));
  results.missedChunksPerSecond = misses.length / 32 / missSeconds;

  const evictSeconds = await measured(async () => void (await packs.evict(0)));
  results.evictedPacksPerSecond = packCount / evictSeconds;
}

async function measureStage(store: DiskStore): Promise<void> {
  const descriptors = Array.from({ length: packCount }, () => randomPack(limits.maxChunksPerPack));
  const chunks = Array.from({ length: 16 }, () => systemRandom.bytes(limits.fixedChunkBytes));
  const stageSeconds = await measured(async () => {
    for (const descriptor of descriptors) {
      const stage = await store.packs.stagePack();
      await inPool(
        Array.from({ length: descriptor.pieceCount }, (_, piece) => piece),
        4,
        () => stage.append(chunks),
      );
      await stage.finish(descriptor);
    }
  });
  const syncSeconds = await measured(() => store.packs.sync());
  const totalMib = (packCount * packBytes(descriptors[0] as PackDescriptor)) / MIB;
  results.stagedMibPerSecond = totalMib / stageSeconds;
  results.stagedDurableMibPerSecond = totalMib / (stageSeconds + syncSeconds);
  await store.packs.evict(0);
}

async function measureOpen(directory: string, store: DiskStore): Promise<void> {
  const bytes = systemRandom.bytes(4 * limits.fixedChunkBytes);
  for (let i = 0; i < knownCount; i += 1) {
    const descriptor = randomPack(256);
    await store.packs.addPack(descriptor);
    const { count } = pieceChunks(descriptor, 0);
    await store.packs.writePiece(sealPiece(descriptor, 0, bytes.subarray(0, count * limits.fixedChunkBytes)));
  }
  results.closeSeconds = await measured(() => store.close());
  let reopened: DiskStore | undefined;
  results.openSeconds = await measured(async () => {
    reopened = await createDiskStore({ clock: systemClock, logger: silentLogger }, { directory });
  });
  results.openedPacks = reopened?.packs.usage().packs ?? 0;
  await reopened?.close();
}

const directory = await mkdtemp(join(tmpdir(), 'quarry-bench-'));
try {
  const store = await createDiskStore({ clock: systemClock, logger: silentLogger }, { directory });
  await measurePieces(store);
  await measureStage(store);
  await measureOpen(directory, store);
  if (values.json) console.log(JSON.stringify(results));
  else
    for (const [name, value] of Object.entries(results))
      console.log(name.padEnd(28), value.toFixed(value < 10 ? 3 : 0));
} finally {
  await rm(directory, { recursive: true, force: true });
}
