import { limits } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import type {
  Storm,
  StormHolding,
  StormHost,
  StormImage,
  StormOrigin,
  StormPack,
  StormRun,
  StormShelve,
  StormUnshelve,
  StormZone,
} from '@quarry/scenario';
import { createDice } from './dice.ts';
import type { Dice } from './dice.ts';
import { randomFaults } from './random-faults.ts';

/** After the last thing that is made to happen a storm gets so long, and more if it is slow: what is not over then hangs. */
const LEAST_PATIENCE_MS = 300_000;
const PATIENCE = 40;

/**
 * A small storm with a bit of everything, made from the seed alone: the same on every machine, today and after any change to what runs it. Most of its
 * unshelves can be demanded to finish (`expectedToFinish`), because a storm in which nothing is demanded shows little.
 *
 * A change to this function or to what it calls makes another storm of every seed: named regression seeds then have to be looked at again.
 */
export function randomStorm(seed: number): Storm {
  const dice = createDice(createSeededRandom(seed));
  const zones = randomZones(dice);
  const hosts = randomHosts(dice, zones.length);
  const origin = randomOrigin(dice, hosts);
  const packs: StormPack[] = [];
  const images = randomImages(dice, packs);
  const estimateMs = estimate(hosts, origin, packs, images);
  const unshelves = randomUnshelves(dice, hosts.length, images.length, estimateMs);
  const calm: Storm = {
    name: `chaos-${seed}`,
    about: 'Made from its seed, to find the schedule of events that breaks something.',
    seed,
    hosts,
    zones,
    origin,
    control: {
      hopMs: dice.between(0.1, 5),
      verifyMs: dice.between(0.1, 5),
      jitterMs: dice.chance(0.5) ? dice.between(0.1, 30) : 0,
      gossipLoss: dice.chance(0.4) ? dice.between(0.01, 0.3) : 0,
    },
    packs,
    images,
    unshelves,
    shelves: randomShelves(dice, hosts.length, images.length, estimateMs),
    holdings: randomHoldings(dice, hosts.length, packs),
    faults: [],
    limitMs: Infinity,
  };
  const faults = randomFaults(dice, calm, estimateMs);
  const times = [...unshelves, ...calm.shelves, ...faults].flatMap((event) =>
    'untilMs' in event ? [event.atMs, event.untilMs] : [event.atMs],
  );
  const lastMs = Math.max(...times.filter((ms) => ms < Infinity));
  return { ...calm, faults, limitMs: lastMs + LEAST_PATIENCE_MS + PATIENCE * estimateMs };
}

function randomZones(dice: Dice): StormZone[] {
  return Array.from({ length: dice.of([1, 1, 2, 3]) }, (_, index) => {
    const rate = dice.chance(0.5) ? Infinity : dice.between(50e6, 2e9);
    return { name: `z${index}`, upBytesPerSecond: rate, downBytesPerSecond: rate };
  });
}

function randomHosts(dice: Dice, zones: number): StormHost[] {
  const usual = dice.of([12.5e6, 125e6, 125e6, 1250e6]);
  return Array.from({ length: dice.whole(4, 14) }, (_, index) => {
    const rate = dice.chance(0.15) ? usual / 4 : usual;
    return {
      name: `h${index}`,
      zone: dice.whole(0, zones - 1),
      upBytesPerSecond: dice.chance(0.1) ? rate / 2 : rate,
      downBytesPerSecond: rate,
      diskWriteBytesPerSecond: dice.chance(0.7) ? Infinity : rate * dice.between(0.5, 4),
    };
  });
}

function randomOrigin(dice: Dice, hosts: readonly StormHost[]): StormOrigin {
  const bytesPerSecond = (hosts[0]?.downBytesPerSecond ?? 125e6) * dice.of([0.5, 1, 1, 4]);
  const seeders = dice.of([0, 1, 1, 1, 2]);
  return {
    bytesPerSecond,
    seeders,
    isReadable: dice.chance(seeders === 0 ? 0.95 : 0.6),
    readDelayMs: dice.between(2, 40),
    budgetBytesPerSecond: dice.chance(0.6) ? Infinity : Math.max(3e6, bytesPerSecond * dice.between(0.1, 0.8)),
    budgetReads: dice.chance(0.5) ? Infinity : dice.whole(1, 16),
  };
}

/** One to three images that share some packs, whole or in odd parts, and have chunks of their own: 8 to some 100 pieces each, seldom 300. */
function randomImages(dice: Dice, packs: StormPack[]): StormImage[] {
  const shared = Array.from({ length: dice.whole(0, 2) }, () => {
    // now and then a pack that is cut into larger pieces
    packs.push({ chunks: dice.chance(0.1) ? dice.whole(1025, 1200) : dice.whole(9, 192) });
    return packs.length - 1;
  });
  return Array.from({ length: dice.whole(1, 3) }, (_, index) => {
    const runs: StormRun[] = [];
    for (const pack of shared) if (dice.chance(0.8)) runs.push(randomRun(dice, pack, packs[pack]?.chunks ?? 1));
    if (runs.length === 0 || dice.chance(0.7)) {
      packs.push({ chunks: dice.whole(runs.length === 0 ? 32 : 1, 192) });
      runs.push({ pack: packs.length - 1, firstChunk: 0, chunkCount: packs[packs.length - 1]?.chunks ?? 1 });
    }
    return { name: `vm${index}`, runs };
  });
}

function randomRun(dice: Dice, pack: number, chunks: number): StormRun {
  if (dice.chance(0.6)) return { pack, firstChunk: 0, chunkCount: chunks };
  const firstChunk = dice.whole(0, chunks - 1);
  return { pack, firstChunk, chunkCount: dice.whole(1, chunks - firstChunk) };
}

/** How long it may well take if nothing goes wrong: where in time faults are worth something. */
function estimate(
  hosts: readonly StormHost[],
  origin: StormOrigin,
  packs: readonly StormPack[],
  images: readonly StormImage[],
): number {
  const chunksOf = (run: { readonly chunkCount: number }): number => run.chunkCount;
  const largest = Math.max(...images.map(({ runs }) => runs.map(chunksOf).reduce((a, b) => a + b, 0)));
  const all = packs.reduce((sum, pack) => sum + pack.chunks, 0);
  const slowest = Math.min(...hosts.map((host) => Math.min(host.downBytesPerSecond, host.diskWriteBytesPerSecond)));
  const store = Math.min(origin.bytesPerSecond, origin.budgetBytesPerSecond);
  return 50 + 1000 * limits.fixedChunkBytes * Math.max(largest / slowest, all / store);
}

function randomUnshelves(dice: Dice, hosts: number, images: number, estimateMs: number): StormUnshelve[] {
  const spreadMs = dice.chance(0.5) ? 0 : estimateMs * dice.between(0.1, 3);
  const unshelves: StormUnshelve[] = [];
  for (let host = 0; host < hosts; host += 1) {
    if (host > 1 && dice.chance(0.2)) continue;
    const first = dice.whole(0, images - 1);
    const count = dice.chance(0.2) ? Math.min(2, images) : 1;
    for (let i = 0; i < count; i += 1) {
      const lateMs = dice.chance(0.05) ? dice.between(1000, 90_000) : 0;
      unshelves.push({ host, image: (first + i) % images, atMs: dice.whole(0, spreadMs) + lateMs });
    }
  }
  return unshelves.toSorted((a, b) => a.atMs - b.atMs);
}

function randomShelves(dice: Dice, hosts: number, images: number, estimateMs: number): StormShelve[] {
  const count = dice.chance(0.7) ? 0 : dice.whole(1, 2);
  return Array.from({ length: count }, () => ({
    host: dice.whole(0, hosts - 1),
    image: dice.whole(0, images - 1),
    atMs: dice.whole(0, 2 * estimateMs),
  })).toSorted((a, b) => a.atMs - b.atMs);
}

function randomHoldings(dice: Dice, hosts: number, packs: readonly StormPack[]): StormHolding[] {
  const count = dice.chance(0.6) ? 0 : dice.whole(1, 4);
  return Array.from({ length: count }, () => {
    const pack = dice.whole(0, packs.length - 1);
    return { host: dice.whole(0, hosts - 1), run: randomRun(dice, pack, packs[pack]?.chunks ?? 1) };
  });
}
