// The disk store by itself, told by the JSON in the first argument; prints what it measured. Digests are random and nothing is hashed: hashing has its own figures.
import { createPackDescriptor, limits, packBytes, pieceChunks, publicDomain, sealPiece } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import type { DiskStore } from '@quarry/store';

export interface StoreOrder {
  readonly directory: string;
  readonly doing: 'pieces' | 'fill' | 'open';
  /** For `pieces`: what is written and read. */
  readonly sizeBytes: number;
  /** For `fill`: how many packs there are to be. */
  readonly packs: number;
}

export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** What `seconds` were spent on, one of the two. */
  readonly bytes?: number;
  readonly count?: number;
}

export interface StoreAnswer {
  readonly measured: Readonly<Record<string, Measured>>;
  readonly peakRssMiB: number;
}

const AT_ONCE = 4;
const RUN_CHUNKS = 128;
const order = JSON.parse(process.argv[2] ?? '') as StoreOrder;
const measured: Record<string, Measured> = {};

async function measure(
  name: string,
  what: Pick<Measured, 'bytes' | 'count'>,
  work: () => Promise<unknown>,
): Promise<void> {
  const cpuBefore = process.cpuUsage();
  const startMs = systemClock.now();
  await work();
  const { user, system } = process.cpuUsage(cpuBefore);
  measured[name] = { seconds: (systemClock.now() - startMs) / 1000, cpuSeconds: (user + system) / 1e6, ...what };
}

function openStore(): Promise<DiskStore> {
  return createDiskStore({ clock: systemClock, logger: silentLogger }, { directory: order.directory });
}

function randomPack(chunkCount: number, chunkBytes: number = limits.fixedChunkBytes): PackDescriptor {
  const lengths = new Uint32Array(chunkCount).fill(chunkBytes);
  return createPackDescriptor({ domain: publicDomain, digests: systemRandom.bytes(32 * chunkCount), lengths });
}

async function inPool<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const one = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

/** Full packs, and a smaller one for the rest. */
function packsOf(sizeBytes: number): readonly PackDescriptor[] {
  const { maxChunksPerPack, fixedChunkBytes } = limits;
  const chunks = Math.ceil(sizeBytes / fixedChunkBytes);
  return Array.from({ length: Math.ceil(chunks / maxChunksPerPack) }, (_, i) =>
    randomPack(Math.min(maxChunksPerPack, chunks - i * maxChunksPerPack)),
  );
}

async function measurePieces({ packs }: DiskStore): Promise<void> {
  const descriptors = packsOf(order.sizeBytes);
  const bytes = descriptors.reduce((sum, descriptor) => sum + packBytes(descriptor), 0);
  const digests = Buffer.concat(descriptors.map((descriptor) => descriptor.digests));
  const count = digests.length / limits.digestBytes;
  await measure('packs made known, chunks', { count }, async () => {
    for (const descriptor of descriptors) await packs.addPack(descriptor);
  });
  const pieces = descriptors.flatMap((descriptor) =>
    Array.from({ length: descriptor.pieceCount }, (_, piece) => ({
      descriptor,
      piece,
      length: pieceChunks(descriptor, piece).count * limits.fixedChunkBytes,
    })),
  );
  const content = systemRandom.bytes(16 * limits.fixedChunkBytes);
  await measure('pieces written', { bytes }, () =>
    inPool(pieces, AT_ONCE, ({ descriptor, piece, length }) =>
      packs.writePiece(sealPiece(descriptor, piece, content.subarray(0, length))),
    ),
  );
  await measure('sync after that', { bytes }, () => packs.sync());
  await measure('pieces read', { bytes }, () =>
    inPool(pieces, AT_ONCE, ({ descriptor, piece, length }) =>
      packs.readPiece(descriptor.id, piece, 2 ** (length / limits.fixedChunkBytes) - 1),
    ),
  );
  const runs = descriptors.flatMap(({ id, chunkCount }) =>
    Array.from({ length: Math.ceil(chunkCount / RUN_CHUNKS) }, (_, i) => ({
      id,
      first: i * RUN_CHUNKS,
      count: Math.min(RUN_CHUNKS, chunkCount - i * RUN_CHUNKS),
    })),
  );
  const into = Buffer.alloc(RUN_CHUNKS * limits.fixedChunkBytes);
  await measure('runs of 8 MiB read', { bytes }, () =>
    inPool(runs, 1, (run) =>
      packs.readChunks(run.id, run.first, run.count, { into: into.subarray(0, run.count * limits.fixedChunkBytes) }),
    ),
  );
  const domains = [publicDomain];
  await measure('chunks found', { count }, async () => {
    const found = await packs.findChunks(digests, { domains });
    if (found.includes(undefined)) throw new Error('a chunk that is there was not found');
  });
  const unknown = systemRandom.bytes(digests.length);
  await measure('chunks looked for in vain', { count }, () => packs.findChunks(unknown, { domains }));
  await packs.evict(0);
  await measureStages({ packs });
}

/** The way of an ingest: a pack is named only when all of its chunks are there. */
async function measureStages({ packs }: Pick<DiskStore, 'packs'>): Promise<void> {
  const descriptors = packsOf(order.sizeBytes);
  const bytes = descriptors.reduce((sum, descriptor) => sum + packBytes(descriptor), 0);
  const chunk = systemRandom.bytes(limits.fixedChunkBytes);
  await measure('packs staged', { bytes }, async () => {
    for (const descriptor of descriptors) {
      const stage = await packs.stagePack();
      const appends = Array.from({ length: Math.ceil(descriptor.chunkCount / 16) }, (_, i) =>
        Array.from({ length: Math.min(16, descriptor.chunkCount - i * 16) }, () => chunk),
      );
      await inPool(appends, AT_ONCE, (chunks) => stage.append(chunks));
      await stage.finish(descriptor);
    }
  });
  await packs.evict(0);
}

/**
 * Packs with as many chunks as a full one has, all of them present, of one byte each: records, descriptors and the index of chunks are as large as those of
 * 256 MiB a pack, and the data is not there to be stored.
 */
async function fill({ packs }: DiskStore): Promise<void> {
  const content = [systemRandom.bytes(limits.maxChunksPerPack)];
  for (let i = 0; i < order.packs; i += 1) {
    const stage = await packs.stagePack();
    await stage.append(content);
    await stage.finish(randomPack(limits.maxChunksPerPack, 1));
  }
}

if (order.doing === 'open') {
  let store: DiskStore | undefined;
  await measure('open', { count: 1 }, async () => void (store = await openStore()));
  const found = store?.packs.usage().packs;
  if (found !== order.packs) throw new Error(`the store has ${found} packs instead of ${order.packs}`);
  await store?.close();
} else {
  const store = await openStore();
  await (order.doing === 'fill' ? fill(store) : measurePieces(store));
  await store.close();
}
const answer: StoreAnswer = { measured, peakRssMiB: process.resourceUsage().maxRSS / 1024 };
console.log(JSON.stringify(answer));
