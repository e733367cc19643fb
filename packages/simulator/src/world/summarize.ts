import type { Bound } from '@quarry/scenario';
import type { SimulationResult } from '../simulation.ts';
import type { World } from './world.ts';

/** What came of it. */
export function summarize(world: World, bound: Bound, events: number): SimulationResult {
  const { storm, counts, net, topology } = world;
  const checked = world.invariants.finish(world.queue.nowMs);
  const done = counts.unshelves.filter((one) => one.endedMs !== undefined && one.why === undefined && one.isHonest);
  const ends = done.map((one) => one.endedMs ?? 0);
  const durations = done.map((one) => (one.endedMs ?? 0) - one.atMs).sort((a, b) => a - b);
  const makespanMs = ends.reduce((latest, end) => Math.max(latest, end), 0);
  const at = (part: number): number =>
    durations[Math.min(durations.length - 1, Math.floor(part * durations.length))] ?? 0;
  const originBytes = Math.round(net.linkBytes(topology.origin));
  const crossZoneBytes =
    storm.zones.length > 1 ? topology.zoneDown.reduce((sum, link) => sum + net.linkBytes(link), 0) : 0;
  return {
    report: {
      scenario: storm.name,
      seed: storm.seed,
      nodes: storm.hosts.length,
      finished: counts.finished,
      expectedToFinish: checked.expectedToFinish,
      makespanSeconds: makespanMs / 1000,
      boundSeconds: bound.boundMs / 1000,
      ratio: makespanMs / bound.boundMs,
      p50Seconds: at(0.5) / 1000,
      p99Seconds: at(0.99) / 1000,
      originBytes,
      uniqueBytes: bound.uniqueBytes,
      originAmplification: bound.uniqueBytes === 0 ? 0 : originBytes / bound.uniqueBytes,
      duplicateBytes: Math.round(counts.wastedBytes),
      crossZoneBytes: Math.round(crossZoneBytes),
      badChunksAccepted: checked.badChunksAccepted,
      invariantsBroken: checked.brokenCount,
    },
    unshelves: counts.unshelves,
    broken: checked.broken,
    regives: checked.regives,
    events,
    notes: {
      busy: counts.busy,
      absent: counts.absent,
      bans: counts.bans,
      seeks: counts.seeks,
      tells: counts.tells,
    },
  };
}
