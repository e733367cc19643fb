// What a node holds of what all others have, told by the JSON in the first argument; prints what it measured. Wants --expose-gc.
import { digestOf, packIdFrom } from '@quarry/content';
import type { PackId } from '@quarry/content';
import { createSeededRandom, systemClock } from '@quarry/runtime';
import type { PeerId } from '@quarry/swarm';
import { createAnnouncer } from '../../packages/swarm/src/inventory/announcer.ts';
import { createHaveTable } from '../../packages/swarm/src/inventory/have-table.ts';
import { decodeHavesMessage } from '../../packages/swarm/src/protocol/haves-message.ts';
import type { PieceSet } from '../../packages/swarm/src/protocol/piece-set.ts';

export interface InventoryOrder {
  readonly members: number;
  readonly packsPerMember: number;
}

export interface InventoryAnswer {
  readonly bytesPerMember: number;
  readonly messagesPerMember: number;
  readonly encodeSeconds: number;
  readonly decodeSeconds: number;
  /** Decoding included, as a node that hears the messages does it: for the first time, and when nothing has changed. */
  readonly mergeSeconds: number;
  readonly mergeAgainSeconds: number;
  readonly cpuSeconds: number;
  readonly heldBytes: number;
  readonly haves: number;
  readonly peakRssMiB: number;
}

const { members, packsPerMember } = JSON.parse(process.argv[2] ?? '') as InventoryOrder;
const random = createSeededRandom(1);
/** Images are shared: each member has some of twice as many packs as one can hold. One in ten of what it has is not whole. */
const all: readonly PackId[] = Array.from({ length: 2 * packsPerMember }, (_, i) =>
  packIdFrom(digestOf(Buffer.from(`pack ${i}`))),
);
const PARTIAL = 0.1;

function randomSet(): PieceSet {
  const whole = new Uint8Array(32).fill(0xff);
  if (random.next() >= PARTIAL) return { whole, partial: [] };
  whole.set(random.bytes(32));
  whole[31] = 0x80;
  const piece = whole.findIndex((byte) => (byte & 1) === 0) * 8;
  return { whole, partial: piece < 0 ? [] : [{ piece, mask: 0x00ff }] };
}

/** As garbage is not what is asked for. */
function held(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function timed<T>(work: () => T): readonly [seconds: number, result: T] {
  const startMs = systemClock.now();
  const result = work();
  return [(systemClock.now() - startMs) / 1000, result];
}

if (!globalThis.gc) throw new Error('run it with --expose-gc, or what is garbage is counted, too');
const owned = Array.from({ length: members }, () => {
  const packs = all.map((pack) => ({ pack, rank: random.next() })).sort((a, b) => a.rank - b.rank);
  return new Map(packs.slice(0, packsPerMember).map(({ pack }) => [pack, randomSet()]));
});
const peers = owned.map((_, i) => `peer-${i}` as PeerId);
const encodeAll = (firstSequence: number): Uint8Array[][] =>
  owned.map((sets) => {
    const read = (pack: PackId): PieceSet => sets.get(pack) as PieceSet;
    return createAnnouncer({ read }, { firstSequence }).takeAll(sets.keys());
  });

encodeAll(0); // so that compiled code is measured
const cpuBefore = process.cpuUsage();
const [encodeSeconds, messages] = timed(() => encodeAll(1000));
const again = encodeAll(2000);
const [decodeSeconds] = timed(() =>
  messages.map((ofOne) => ofOne.map((bytes) => decodeHavesMessage(bytes).packs.length)),
);
const before = held();
const table = createHaveTable({ maxPacksPerPeer: packsPerMember });
const merge = (from: readonly Uint8Array[][], nowMs: number): void => {
  for (const [i, ofOne] of from.entries())
    for (const bytes of ofOne) table.hear(peers[i] as PeerId, decodeHavesMessage(bytes), nowMs);
};
const [mergeSeconds] = timed(() => merge(messages, 0));
const heldBytes = held() - before;
const [mergeAgainSeconds] = timed(() => merge(again, 1000));
const { user, system } = process.cpuUsage(cpuBefore);
const answer: InventoryAnswer = {
  bytesPerMember: messages.flat().reduce((sum, { length }) => sum + length, 0) / members,
  messagesPerMember: messages.flat().length / members,
  encodeSeconds,
  decodeSeconds,
  mergeSeconds,
  mergeAgainSeconds,
  cpuSeconds: (user + system) / 1e6,
  heldBytes,
  haves: table.size,
  peakRssMiB: process.resourceUsage().maxRSS / 1024,
};
console.log(JSON.stringify(answer));
