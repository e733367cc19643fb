import type { Storm } from '@quarry/scenario';

/** Three hosts in one zone unshelve one image of 40 chunks that one seeder has. */
export function tinyStorm(changes: Partial<Storm> = {}): Storm {
  const host = { zone: 0, upBytesPerSecond: 125e6, downBytesPerSecond: 125e6, diskWriteBytesPerSecond: Infinity };
  return {
    name: 'tiny',
    about: 'Three hosts, one image.',
    seed: 1,
    hosts: ['a', 'b', 'c'].map((name) => ({ name, ...host })),
    zones: [{ name: 'z', upBytesPerSecond: Infinity, downBytesPerSecond: Infinity }],
    origin: {
      bytesPerSecond: 125e6,
      seeders: 1,
      isReadable: false,
      readDelayMs: 18,
      budgetBytesPerSecond: Infinity,
      budgetReads: Infinity,
    },
    control: { hopMs: 1.1, verifyMs: 1.1, jitterMs: 0, gossipLoss: 0 },
    packs: [{ chunks: 40 }],
    images: [{ name: 'vm', runs: [{ pack: 0, firstChunk: 0, chunkCount: 40 }] }],
    unshelves: [0, 1, 2].map((index) => ({ host: index, image: 0, atMs: 0 })),
    shelves: [],
    holdings: [],
    faults: [],
    limitMs: 600_000,
    ...changes,
  };
}
