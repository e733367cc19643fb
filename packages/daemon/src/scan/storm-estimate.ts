import { scanDefaults } from './options.ts';
import { expectedLargest, uniqueBytesOf } from './spectrum.ts';
import type { Between, Spectrum } from './spectrum.ts';

/** Unshelves that all begin at once, each of an image taken at random, each host the same number of them. */
export interface StormPlan {
  readonly unshelves: number;
  readonly hosts: number;
  /** Of each host, in both directions. */
  readonly linkBytesPerSecond: number;
  /** Of the store. */
  readonly originBytesPerSecond: number;
}

/** What the images are like that are unshelved. */
export interface StormImages {
  readonly spectrum: Spectrum;
  /** By image: its bytes as a file, zeros and all, */
  readonly fileBytes: readonly number[];
  /** and those of its chunks, each once. */
  readonly chunkBytes: readonly number[];
}

export interface StormEstimate extends StormPlan {
  /** Every unshelve reads its file from the store. */
  readonly today: StormCase;
  /** No host has anything. */
  readonly cold: StormCase;
  /** Every host has what at least two of the images have in common. */
  readonly baseCached: StormCase;
  /** Every image was shelved by the host that unshelves it: what lies in its store does not travel. */
  readonly shelvedHere: StormCase;
  /** Beyond the bound, at most, by storms of real processes; see `scanDefaults`. */
  readonly expectedFactor: number;
}

export interface StormCase {
  readonly storeBytes: Between;
  /** T*: what no schedule beats with these links. */
  readonly boundSeconds: Between;
  /** Which link the bound is of. */
  readonly limit: 'store' | 'host' | 'all links' | 'none';
}

export function estimateStorm({ spectrum, fileBytes, chunkBytes }: StormImages, plan: StormPlan): StormEstimate {
  const { unshelves, hosts } = plan;
  const perHost = Math.ceil(unshelves / hosts);
  const meanFile = fileBytes.reduce((sum, bytes) => sum + bytes, 0) / Math.max(1, fileBytes.length);
  // Sizes differ: the host with the largest image is not done before it is through.
  const slowestFile = Math.max(perHost * meanFile, expectedLargest(fileBytes, unshelves));
  const files = { least: unshelves * meanFile, most: unshelves * meanFile };
  const nothing = { least: 0, most: 0 };
  const needs = (maxImages: number, largest: number): StormCase => {
    const of = (count: number): Between => uniqueBytesOf(spectrum, count, { maxImages });
    const full = unshelves % hosts;
    const most = of(perHost);
    const fewer = of(perHost - 1);
    const total = (end: keyof Between): number =>
      full === 0 ? hosts * most[end] : full * most[end] + (hosts - full) * fewer[end];
    const host = { least: Math.max(most.least, largest), most: Math.max(most.most, largest) };
    return stormCase(plan, of(unshelves), host, { least: total('least'), most: total('most') });
  };
  return {
    ...plan,
    today: stormCase(plan, files, { least: slowestFile, most: slowestFile }, nothing),
    cold: needs(Infinity, expectedLargest(chunkBytes, unshelves)),
    baseCached: needs(1, 0),
    shelvedHere: stormCase(plan, nothing, nothing, nothing),
    expectedFactor: scanDefaults.expectedFactor,
  };
}

/**
 * The bound of the scenarios (`boundOf`), for a storm in which all arrive at once and all hosts are alike: what nobody has through the store's link, what a
 * host needs through its own, and what all hosts need through all uplinks together.
 */
export function stormBound(
  { hosts, linkBytesPerSecond, originBytesPerSecond }: Omit<StormPlan, 'unshelves'>,
  need: { readonly storeBytes: number; readonly hostBytes: number; readonly allHostsBytes: number },
): { readonly seconds: number; readonly limit: StormCase['limit'] } {
  const parts: [StormCase['limit'], number][] = [
    ['store', need.storeBytes / originBytesPerSecond],
    ['host', need.hostBytes / linkBytesPerSecond],
    ['all links', need.allHostsBytes / (originBytesPerSecond + hosts * linkBytesPerSecond)],
  ];
  const [limit, seconds] = parts.reduce((most, part) => (part[1] > most[1] ? part : most), ['none', 0]);
  return { limit, seconds };
}

function stormCase(plan: StormPlan, store: Between, host: Between, all: Between): StormCase {
  const bound = (end: keyof Between): ReturnType<typeof stormBound> =>
    stormBound(plan, { storeBytes: store[end], hostBytes: host[end], allHostsBytes: all[end] });
  const [least, most] = [bound('least'), bound('most')];
  return {
    storeBytes: store,
    boundSeconds: { least: least.seconds, most: most.seconds },
    limit: most.limit,
  };
}
