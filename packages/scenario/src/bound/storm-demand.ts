import { addPackRun, addPackSets, minusPackSets, packSetsOf } from '../pack-sets.ts';
import type { PackSets } from '../pack-sets.ts';
import type { Storm } from '../storm.ts';

/** What one unshelve asks for. Sets are chunks. */
export interface Demand {
  /** Of `storm.unshelves`. */
  readonly unshelve: number;
  readonly host: number;
  readonly atMs: number;
  /** Of its image, what its host neither holds nor has shelved when it arrives. */
  readonly missing: PackSets;
  /** Of `missing`, what no earlier unshelve of its host has asked for. */
  readonly fresh: PackSets;
  /** Of `missing`, what no host holds or has shelved when it arrives, and no earlier unshelve of any host has asked for: the origin must give it. */
  readonly unique: PackSets;
}

/** Every unshelve whose host lives when it arrives, in the order of arrival (of those at the same moment, in the storm's). */
export function demandOf(storm: Storm): Demand[] {
  const images = storm.images.map((image) => packSetsOf(image.runs, storm.packs));
  const held = holdingsOf(storm);
  const heldAnywhere: PackSets = new Map();
  for (const sets of held) addPackSets(heldAnywhere, sets);
  const asked: PackSets[] = storm.hosts.map(() => new Map());
  const askedAnywhere: PackSets = new Map();
  const shelves = storm.shelves.toSorted((a, b) => a.atMs - b.atMs);
  const arrivals = [...storm.unshelves.entries()].toSorted(([, a], [, b]) => a.atMs - b.atMs);

  const demands: Demand[] = [];
  let shelved = 0;
  for (const [unshelve, { host, image, atMs }] of arrivals) {
    for (; (shelves[shelved]?.atMs ?? Infinity) <= atMs; shelved += 1) {
      const shelve = shelves[shelved] as (typeof shelves)[number];
      addPackSets(held[shelve.host] ?? new Map(), images[shelve.image] ?? new Map());
      addPackSets(heldAnywhere, images[shelve.image] ?? new Map());
    }
    if (isDead(storm, host, atMs)) continue;
    const missing = minusPackSets(images[image] ?? new Map(), held[host] ?? new Map());
    const fresh = minusPackSets(missing, asked[host] ?? new Map());
    const unique = minusPackSets(minusPackSets(fresh, heldAnywhere), askedAnywhere);
    addPackSets(asked[host] ?? new Map(), fresh);
    addPackSets(askedAnywhere, unique);
    demands.push({ unshelve, host, atMs, missing, fresh, unique });
  }
  return demands;
}

/** By host, what it holds at the start. */
export function holdingsOf(storm: Storm): PackSets[] {
  const held: PackSets[] = storm.hosts.map(() => new Map());
  for (const { host, run } of storm.holdings) addPackRun(held[host] ?? new Map(), run, storm.packs);
  return held;
}

/** Killed before, and not started again since. */
function isDead(storm: Storm, host: number, atMs: number): boolean {
  let last: { readonly kind: string; readonly atMs: number } | undefined;
  for (const fault of storm.faults) {
    if ((fault.kind !== 'kill' && fault.kind !== 'restart') || fault.host !== host || fault.atMs > atMs) continue;
    if (!last || fault.atMs >= last.atMs) last = fault;
  }
  return last?.kind === 'kill';
}

/** What the store's link gives, bytes per second, within the budget; 0 where nobody hands out what it has. */
export function originRateOf({ origin }: Storm): number {
  if (origin.seeders === 0 && !origin.isReadable) return 0;
  return Math.min(origin.bytesPerSecond, origin.budgetBytesPerSecond);
}
