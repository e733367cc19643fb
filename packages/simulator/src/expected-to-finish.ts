import type { Storm, StormRun, StormUnshelve } from '@quarry/scenario';
import { leaveDefaults } from '@quarry/swarm/scheduler';

/**
 * Which unshelves must finish, by their number: only what can truly be demanded, whatever the schedule of events.
 *
 * Its host H has to live from the arrival on, to be honest, and to reach others: H is not killed at or after the arrival (one that restarted before may take part),
 * tells no lies, and what cuts H off ends soon. And each chunk that H does not hold needs one source that is certain:
 *  - Glance, where nodes may read it, if its failures and H's way to it come back soon, and a budget of few reads is not lost with members that are;
 *  - a seeder, if seeders stay; or leave in order, the unshelve arrived before, and at most two hosts are lost (die for good from shortly before on,
 *    lie, are cut off for good): the rule for leaving promises three living holders;
 *  - another honest host that holds the chunk from the start, or shelves it in time, and lives or comes back soon with all it had.
 * What other hosts fetched during the storm is never counted on. "Soon" is SOON_MS in one stretch: a fetch to which nothing arrives gives up after a minute,
 * as it should, and what was parked or left alone meanwhile takes its time to be tried again. The storm's limit has to be generous: it is not looked at,
 * but what begins or ends after it never happens.
 */
export function expectedToFinish(storm: Storm): ReadonlySet<number> {
  const facts = readFaults(storm);
  const expected = new Set<number>();
  for (const [index, unshelve] of storm.unshelves.entries())
    if (mustFinish(storm, facts, unshelve)) expected.add(index);
  return expected;
}

/** Outages of one path add up to one when they follow each other within GAP_MS. */
const SOON_MS = 20_000;
const GAP_MS = 5_000;
/** How long before the seeders leave a death may have been overlooked by them. */
const OVERLOOKED_MS = 10_000;

interface Interval {
  readonly fromMs: number;
  readonly untilMs: number;
}

interface HostFacts {
  /** Stalled, or dead until a restart; Infinity: for good. */
  readonly outages: Interval[];
  /** Kills, in order. */
  readonly killsMs: number[];
  isTorn: boolean;
  isLiar: boolean;
}

interface Facts {
  readonly hosts: readonly HostFacts[];
  readonly partitions: readonly (Interval & { readonly hosts: ReadonlySet<number> })[];
  readonly originOutages: readonly Interval[];
  readonly seedersLeave: { readonly atMs: number; readonly isOrderly: boolean } | undefined;
}

function readFaults(storm: Storm): Facts {
  const hosts = storm.hosts.map((): HostFacts => ({ outages: [], killsMs: [], isTorn: false, isLiar: false }));
  const partitions: (Interval & { readonly hosts: ReadonlySet<number> })[] = [];
  const originOutages: Interval[] = [];
  let seedersLeave: Facts['seedersLeave'];
  const until = (untilMs: number): number => (untilMs < storm.limitMs ? untilMs : Infinity);
  for (const fault of storm.faults.toSorted((a, b) => a.atMs - b.atMs)) {
    if (fault.atMs >= storm.limitMs) continue;
    const host = 'host' in fault ? hosts[fault.host] : undefined;
    switch (fault.kind) {
      case 'kill':
        host?.killsMs.push(fault.atMs);
        host?.outages.push({ fromMs: fault.atMs, untilMs: Infinity });
        break;
      case 'restart': {
        const death =
          host?.outages.findLastIndex(
            (outage) => outage.untilMs === Infinity && host.killsMs.includes(outage.fromMs),
          ) ?? -1;
        const died = host?.outages[death];
        if (host && died) host.outages[death] = { fromMs: died.fromMs, untilMs: fault.atMs };
        if (host && fault.tornChunks > 0) host.isTorn = true;
        break;
      }
      case 'stall':
        host?.outages.push({ fromMs: fault.atMs, untilMs: until(fault.untilMs) });
        break;
      case 'lie':
        if (host) host.isLiar = true;
        break;
      case 'partition':
        partitions.push({ fromMs: fault.atMs, untilMs: until(fault.untilMs), hosts: new Set(fault.hosts) });
        break;
      case 'originFails':
        originOutages.push({ fromMs: fault.atMs, untilMs: until(fault.untilMs) });
        break;
      case 'seedersLeave':
        seedersLeave ??= { atMs: fault.atMs, isOrderly: fault.isOrderly };
        break;
      case 'slowLink':
      case 'slowCpu':
        break; // slow is not dead
    }
  }
  return { hosts, partitions, originOutages, seedersLeave };
}

function mustFinish(storm: Storm, facts: Facts, unshelve: StormUnshelve): boolean {
  const { host, atMs } = unshelve;
  const self = facts.hosts[host];
  if (self === undefined || atMs >= storm.limitMs || storm.control.gossipLoss >= 1) return false;
  if (self.isLiar || self.killsMs.some((killMs) => killMs >= atMs)) return false;
  // arrived while dead: nobody is there to begin it
  if (self.outages.some(({ fromMs, untilMs }) => self.killsMs.includes(fromMs) && atMs < untilMs)) return false;

  const toStore = cutsBetween(facts, host, undefined);
  const canReach = (outages: readonly Interval[]): boolean => areShort([...self.outages, ...outages], atMs);
  const mayRead = storm.origin.isReadable && hasReadLeft(storm, facts, host);
  if (mayRead && canReach([...toStore, ...facts.originOutages])) return true;
  if (storm.origin.seeders > 0 && seedersStayFor(storm, facts, atMs) && canReach(toStore)) return true;

  const holders = storm.hosts.flatMap((_, other) => {
    const holder = facts.hosts[other];
    if (holder === undefined || holder.isLiar || holder.isTorn) return [];
    const reaches = canReach(other === host ? [] : [...holder.outages, ...cutsBetween(facts, host, other)]);
    return reaches ? [{ other, runs: heldRuns(storm, facts, other, other === host ? atMs : atMs + SOON_MS) }] : [];
  });
  const runs = holders.flatMap((holder) => holder.runs);
  return (storm.images[unshelve.image]?.runs ?? []).every((run) => isCovered(run, runs));
}

/**
 * Whether the budget's reads are enough for one to be had. Where they are fewer than the members each of these has one at most, and takes it along when it
 * dies, leaves or is cut off: nobody else can know that it does not read, and the limit is hard (PROTOCOL, "The origin budget").
 */
function hasReadLeft(storm: Storm, facts: Facts, host: number): boolean {
  const { budgetReads, seeders } = storm.origin;
  if (budgetReads >= storm.hosts.length + seeders) return true;
  const lost = facts.hosts.filter(
    ({ outages }, other) => other !== host && !areShort([...outages, ...cutsBetween(facts, host, other)], -Infinity),
  ).length;
  return budgetReads > lost + (facts.seedersLeave === undefined ? 0 : seeders);
}

/** Whether the seeders can be counted on by an unshelve that arrives at `atMs`. */
function seedersStayFor(storm: Storm, facts: Facts, atMs: number): boolean {
  if (facts.seedersLeave === undefined) return true;
  if (!facts.seedersLeave.isOrderly || atMs >= facts.seedersLeave.atMs) return false;
  const sinceMs = facts.seedersLeave.atMs - OVERLOOKED_MS;
  const lost = storm.hosts.filter((_, index) => {
    const host = facts.hosts[index];
    if (host === undefined || host.isLiar || host.isTorn) return true;
    if (host.killsMs.some((killMs) => killMs >= sinceMs)) return true;
    return !areShort([...host.outages, ...cutsBetween(facts, index, undefined)], sinceMs);
  });
  return lost.length < leaveDefaults.leaveHolders;
}

/** When two hosts, or a host and the store's side, do not reach each other. */
function cutsBetween(facts: Facts, one: number, other: number | undefined): readonly Interval[] {
  return facts.partitions.filter(({ hosts }) => hosts.has(one) !== (other !== undefined && hosts.has(other)));
}

/** Whether no stretch of outages that matters after `sinceMs` is longer than SOON_MS. */
function areShort(outages: readonly Interval[], sinceMs: number): boolean {
  let stretch: Interval | undefined;
  for (const { fromMs, untilMs } of outages.toSorted((a, b) => a.fromMs - b.fromMs)) {
    if (untilMs <= sinceMs) continue;
    const follows = stretch !== undefined && fromMs <= stretch.untilMs + GAP_MS;
    stretch =
      stretch !== undefined && follows
        ? { fromMs: stretch.fromMs, untilMs: Math.max(stretch.untilMs, untilMs) }
        : { fromMs, untilMs };
    if (stretch.untilMs - stretch.fromMs > SOON_MS) return false;
  }
  return true;
}

/** What a host has without fetching it: from the start, or from a shelve while it lived. */
function heldRuns(storm: Storm, facts: Facts, host: number, byMs: number): StormRun[] {
  const held = storm.holdings.filter((holding) => holding.host === host).map((holding) => holding.run);
  const outages = facts.hosts[host]?.outages ?? [];
  for (const shelve of storm.shelves) {
    if (shelve.host !== host || shelve.atMs > byMs) continue;
    if (outages.some(({ fromMs, untilMs }) => shelve.atMs >= fromMs && shelve.atMs <= untilMs)) continue;
    held.push(...(storm.images[shelve.image]?.runs ?? []));
  }
  return held;
}

function isCovered(run: StormRun, by: readonly StormRun[]): boolean {
  const end = run.firstChunk + run.chunkCount;
  let chunk = run.firstChunk;
  for (const { firstChunk, chunkCount } of by
    .filter((held) => held.pack === run.pack)
    .toSorted((a, b) => a.firstChunk - b.firstChunk)) {
    if (firstChunk > chunk) break;
    chunk = Math.max(chunk, firstChunk + chunkCount);
  }
  return chunk >= end;
}
