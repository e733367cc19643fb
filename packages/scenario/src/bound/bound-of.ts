import { addPackSets, bytesOf, commonPackSets, minusPackSets, packSetsOf } from '../pack-sets.ts';
import type { PackSets } from '../pack-sets.ts';
import type { Storm } from '../storm.ts';
import { awaitedUnshelves } from './awaited-unshelves.ts';
import { createFluidQueue } from './fluid-queue.ts';
import { ownBounds } from './own-bounds.ts';
import { demandOf, holdingsOf, originRateOf } from './storm-demand.ts';
import type { Demand } from './storm-demand.ts';
import { soleHolders } from './sole-holders.ts';

/** Times in milliseconds from the start of the storm, Infinity where bytes have no source. */
export interface Bound {
  /** T*: the largest part. */
  readonly boundMs: number;
  readonly parts: BoundParts;
  /** What the origin must give at least once: the union of what is unshelved and, when it is asked for, held by no host. */
  readonly uniqueBytes: number;
  /** Sum over hosts of what they need and do not hold. */
  readonly neededBytes: number;
  /** By unshelve of the storm, from its arrival: see `ownBounds`. */
  readonly ownMs: readonly number[];
}

export interface BoundParts {
  /** What nobody holds or ever shelves, through the origin's link. */
  readonly originMs: number;
  /** The slowest host: what it needs, through its downlink. */
  readonly nodeMs: number;
  /** What all hosts need together, through the origin's link and all uplinks together. */
  readonly swarmMs: number;
  /** The hottest holder: what others need and only it holds, through its uplink. */
  readonly holderMs: number;
  /** The busiest zone: what is needed inside and nobody inside holds, through the zone's downlink. */
  readonly zoneMs: number;
  /** The last arrival. */
  readonly arrivalMs: number;
}

/**
 * The bound T* that no schedule beats: from the start of the storm until the last unshelve that it waits for (`awaitedUnshelves`) is done.
 *
 * Each part is one link, or several taken together, and the bytes that must go through it at least once, as a fluid: nothing goes through before it
 * is asked for, nothing is lost to latency, verifying or faults. A byte is asked for when the first unshelve arrives that needs it there; what is
 * shelved at any time counts as held all the time, which can only make a part smaller. So every part is a lower bound for itself, with one
 * reservation: `holderMs` holds for schedules that leave to peers what a peer has. The origin could relieve a hot holder, at the price of giving
 * what it did not have to. A holder that faults touch is left out, because then the origin may have to.
 */
export function boundOf(storm: Storm): Bound {
  const demands = demandOf(storm);
  const parts = partsOf(storm, demands);
  let uniqueBytes = 0;
  for (const { unique } of demands) uniqueBytes += bytesOf(unique);
  let neededBytes = 0;
  for (const { fresh } of demands) neededBytes += bytesOf(fresh);
  return {
    boundMs: Math.max(...Object.values(parts)),
    parts,
    uniqueBytes,
    neededBytes,
    ownMs: ownBounds(storm, demands),
  };
}

function partsOf(storm: Storm, demands: readonly Demand[]): BoundParts {
  const everHeld = everHeldBy(storm);
  const union = (hosts: readonly number[]): PackSets => {
    const sets: PackSets = new Map();
    for (const host of hosts) addPackSets(sets, everHeld[host] ?? new Map());
    return sets;
  };
  const originRate = originRateOf(storm);
  const allUplinks = storm.hosts.reduce((sum, host) => sum + host.upBytesPerSecond, originRate);
  const hosts = storm.hosts.map((host) => gate(host.downBytesPerSecond));
  const zones = storm.zones.map((zone) => gate(zone.downBytesPerSecond));
  const insideOf = storm.zones.map((_, zone) =>
    union([...storm.hosts.keys()].filter((h) => storm.hosts[h]?.zone === zone)),
  );
  const origin = gate(originRate);
  const anywhere = union([...storm.hosts.keys()]);
  const swarm = createFluidQueue(allUplinks);
  const holders = soleHolders(storm, everHeld).map(({ host, sole }) => ({
    sole,
    uplink: gate(storm.hosts[host]?.upBytesPerSecond ?? Infinity),
  }));

  const isAwaited = awaitedUnshelves(storm);
  let arrivalMs = 0;
  for (const { unshelve, host, atMs, missing } of demands) {
    if (!isAwaited[unshelve]) continue;
    arrivalMs = Math.max(arrivalMs, atMs);
    const needed = minusPackSets(missing, everHeld[host] ?? new Map());
    const fresh = hosts[host]?.pass(atMs, needed) ?? 0;
    swarm.add(atMs, fresh);
    if (fresh === 0) continue;
    origin.pass(atMs, minusPackSets(needed, anywhere));
    const zone = storm.hosts[host]?.zone ?? 0;
    zones[zone]?.pass(atMs, minusPackSets(needed, insideOf[zone] ?? new Map()));
    for (const { sole, uplink } of holders) uplink.pass(atMs, commonPackSets(sole, needed));
  }
  const latest = (gates: readonly Gate[]): number => gates.reduce((most, each) => Math.max(most, each.finishMs()), 0);
  return {
    originMs: origin.finishMs(),
    nodeMs: latest(hosts),
    swarmMs: swarm.finishMs(),
    holderMs: latest(holders.map(({ uplink }) => uplink)),
    zoneMs: latest(zones),
    arrivalMs,
  };
}

/** A link that each chunk goes through once at least. */
interface Gate {
  /** @returns bytes of what had not been asked for before */
  pass(atMs: number, chunks: PackSets): number;
  finishMs(): number;
}

function gate(bytesPerSecond: number): Gate {
  const queue = createFluidQueue(bytesPerSecond);
  const asked: PackSets = new Map();
  return {
    pass(atMs, chunks) {
      const fresh = minusPackSets(chunks, asked);
      const bytes = bytesOf(fresh);
      queue.add(atMs, bytes);
      if (bytes > 0) addPackSets(asked, fresh);
      return bytes;
    },
    finishMs: () => queue.finishMs(),
  };
}

/** By host, what it holds at the start or shelves at any time. */
function everHeldBy(storm: Storm): PackSets[] {
  const held = holdingsOf(storm);
  for (const { host, image } of storm.shelves)
    addPackSets(held[host] ?? new Map(), packSetsOf(storm.images[image]?.runs ?? [], storm.packs));
  return held;
}
