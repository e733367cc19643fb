// What does the scheduler of one node hold in memory while it fetches an image of 20 GB?
// `node --expose-gc --conditions=source benchmarks/swarm/scheduler-memory.ts`. Prints one JSON line.
import { createPackDescriptor, publicDomain } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import { createFetchScheduler, emptyMasks, fullMasks } from '@quarry/swarm/scheduler';
import type { PeerId } from '@quarry/swarm/scheduler';

const [PACKS, CHUNKS, NEIGHBOURS, WANTERS] = [80, 4096, 24, 300];
if (!globalThis.gc) throw new Error('run it with --expose-gc, or what is garbage is counted, too');
const random = createSeededRandom(1);
const descriptors = Array.from({ length: PACKS }, () => {
  const lengths = Array.from({ length: CHUNKS }, () => 64 * 1024);
  return createPackDescriptor({ domain: publicDomain, digests: random.bytes(CHUNKS * 32), lengths });
});
const peers = Array.from({ length: WANTERS }, (_, i) => `peer-${i}` as PeerId);
const held = (): number => {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

const before = held();
const scheduler = createFetchScheduler({ self: 'self' as PeerId, random });
for (const peer of peers.slice(0, NEIGHBOURS)) scheduler.handle({ kind: 'peerJoined', peer, role: 'node' }, 0);
const wants = descriptors.map((descriptor) => ({
  descriptor,
  need: fullMasks(descriptor),
  have: emptyMasks(descriptor.pieceCount),
}));
scheduler.handle({ kind: 'fetch', fetch: 1, wants, giveUpMs: 60_000 }, 0);
for (const { id } of descriptors) scheduler.handle({ kind: 'wanters', pack: id, members: peers }, 0);
for (const peer of peers.slice(0, NEIGHBOURS)) {
  for (const descriptor of descriptors) {
    scheduler.handle({ kind: 'peerHas', peer, pack: descriptor.id, masks: fullMasks(descriptor) }, 0);
  }
}
const bytes = held() - before;
const { packs } = scheduler.load();
console.log(
  JSON.stringify({ packs, neighbours: NEIGHBOURS, wanters: WANTERS, bytes, bytesPerPack: Math.round(bytes / packs) }),
);
