import type { Storm, StormHost } from '../src/index.ts';

/** Chunks per second as a rate: a storm of such hosts is worked out in whole numbers. */
export const chunkBytes: number = 64 * 1024;

export function host(up: number, down: number = up, zone = 0): StormHost {
  return {
    name: 'h',
    zone,
    upBytesPerSecond: up * chunkBytes,
    downBytesPerSecond: down * chunkBytes,
    diskWriteBytesPerSecond: Infinity,
  };
}

/** A storm of nothing, from a seeder that gives 10 chunks a second; hand in what it shall have. */
export function stormOf(parts: Partial<Storm>): Storm {
  return {
    name: 'test',
    about: 'test',
    seed: 1,
    hosts: [],
    zones: [{ name: 'z0', upBytesPerSecond: Infinity, downBytesPerSecond: Infinity }],
    origin: {
      bytesPerSecond: 10 * chunkBytes,
      seeders: 1,
      isReadable: false,
      readDelayMs: 0,
      budgetBytesPerSecond: Infinity,
      budgetReads: Infinity,
    },
    control: { hopMs: 0, verifyMs: 0, jitterMs: 0, gossipLoss: 0 },
    packs: [],
    images: [],
    unshelves: [],
    shelves: [],
    holdings: [],
    faults: [],
    limitMs: Infinity,
    ...parts,
  };
}

/** An image that is so many first chunks of each of these packs. */
export function imageOf(...runs: readonly (readonly [pack: number, chunks: number])[]): Storm['images'][number] {
  return { name: 'image', runs: runs.map(([pack, chunkCount]) => ({ pack, firstChunk: 0, chunkCount })) };
}
