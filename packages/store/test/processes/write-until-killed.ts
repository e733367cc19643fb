// Does everything a store can do to its packs, at random and without end, and says on standard output what must have survived.
//   durable <id>:<hex of presence> …   resolved syncs; printed before anything else happens
//   absent <id>                        chunks of this pack are about to go
//   discarded <id>                     this pack may not come back, until
//   adding <id>                        it is about to be added again
// Arguments: directory, seed.
import { writeSync } from 'node:fs';
import { addRun, createChunkSet, encodePiece } from '@quarry/content';
import type { PackId, PackStage } from '@quarry/content';
import { samplePack } from '@quarry/content/conformance';
import type { SamplePack } from '@quarry/content/conformance';
import { createSeededRandom, silentLogger, systemClock } from '@quarry/runtime';
import { createDiskStore } from '@quarry/store';
import { crashPackOptions, CRASH_PACKS } from './crash-packs.ts';

const [directory = '', seed = ''] = process.argv.slice(2);
const random = createSeededRandom(Number(seed));
const below = (limit: number): number => Math.floor(random.next() * limit);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const { packs: store } = await createDiskStore(
  { clock: systemClock, logger: silentLogger },
  {
    directory,
    syncBytes: 256 * 1024,
    syncDelayMs: 20,
    recencyDelayMs: 5,
    maxOpenFiles: 4,
    descriptorCacheBytes: 10_000,
  },
);
store.onAbsent((id) => say(`absent ${id}`));
const samples = Array.from({ length: CRASH_PACKS }, (_, i) => samplePack(crashPackOptions(i)));
const discarded = new Set<PackId>();
const sayAdding = (id: PackId): void => {
  if (discarded.delete(id)) say(`adding ${id}`);
};
let lease = store.lease([]);
say('open');

/** The whole pack in frames of so many chunks: of one piece, or of four. */
async function appendFrames(stage: PackStage, pack: SamplePack, count: number): Promise<void> {
  const { chunkCount } = pack.descriptor;
  for (let first = 0; first < chunkCount; first += count) {
    const plain = pack.run(first, Math.min(count, chunkCount - first));
    await stage.appendFrame(encodePiece(plain) ?? plain, plain.length);
  }
}

for (;;) {
  const pack = samples[below(samples.length)];
  if (!pack) continue;
  const { id, pieceCount, chunkCount } = pack.descriptor;
  const dice = below(100);
  if (dice < 70) {
    sayAdding(id);
    await store.addPack(pack.descriptor);
    const pieces = Array.from({ length: 4 }, () => below(pieceCount));
    await Promise.all(
      pieces.map((piece) => {
        if (random.next() < 0.5) return store.writePiece(pack.framed(piece));
        const whole = pack.piece(piece).mask;
        const mask = random.next() < 0.5 ? whole : whole & (1 + below(15)) || whole;
        return store.writePiece(pack.piece(piece, mask));
      }),
    );
    say('wrote');
  } else if (dice < 80) {
    const before = [...store.inventory()].map(
      ({ pack: known, present }) => `${known}:${Buffer.from(present.bits).toString('hex')}`,
    );
    await store.sync();
    say(`durable ${before.join(' ')}`);
  } else if (dice < 86) {
    const stage = await store.stagePack();
    if (random.next() < 0.5) await stage.append([pack.bytes.subarray(0, 5000), pack.bytes.subarray(5000)]);
    else await appendFrames(stage, pack, random.next() < 0.5 ? 4 : 16);
    sayAdding(id);
    if (random.next() < 0.8) await stage.finish(pack.descriptor);
    say('staged');
  } else if (dice < 92) {
    const dropped = createChunkSet(chunkCount);
    addRun(dropped, below(chunkCount - 4), 4);
    await store.dropChunks(id, dropped);
    say('dropped');
  } else if (dice < 94) {
    lease.release();
    lease = store.lease(random.next() < 0.5 ? [id] : []);
    await store.unpin(`reason ${below(3)}`);
    const ids = samples.slice(below(samples.length)).map(({ descriptor }) => descriptor.id);
    const { pinnedPacks } = await store.discard(ids);
    for (const gone of ids.filter((each) => !pinnedPacks.includes(each))) {
      discarded.add(gone);
      say(`discarded ${gone}`);
    }
  } else if (dice < 97) {
    await store.evict(store.usage().presentBytes >> 1);
    say('evicted');
  } else await store.pin([id], `reason ${below(3)}`);
}
