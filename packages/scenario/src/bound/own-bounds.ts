import { bytesOf, commonPackSets } from '../pack-sets.ts';
import type { PackSets } from '../pack-sets.ts';
import type { Storm } from '../storm.ts';
import { firstComeLink, sharedLink } from './shared-link.ts';
import type { LinkTimes } from './shared-link.ts';
import { originRateOf } from './storm-demand.ts';
import type { Demand } from './storm-demand.ts';

/**
 * By unshelve of the storm, milliseconds from its arrival that it takes in a fair world; 0 where all is there, or the host is dead by then.
 *
 * Two links are looked at, and the later one counts. The host's downlink carries each chunk once, for the unshelve that asked for it first, and is
 * divided evenly among those that still miss something. The origin's link carries what nobody held, first come, first served, divided evenly among
 * those of one moment. An unshelve is done when all that it misses is through; what an earlier one asked for comes first of what that one asked for.
 *
 * For an unshelve that is alone this is a lower bound. Among several it is a yardstick and no law: who is served before its turn beats it, at the
 * cost of another. Uplinks, zones and holders are not looked at.
 */
export function ownBounds(storm: Storm, demands: readonly Demand[]): number[] {
  const ownMs = storm.unshelves.map(() => 0);
  const raise = (demand: Demand, doneMs: number): void => {
    ownMs[demand.unshelve] = Math.max(ownMs[demand.unshelve] ?? 0, doneMs - demand.atMs);
  };
  for (const [host, { downBytesPerSecond }] of storm.hosts.entries()) {
    const jobs = demands.filter((demand) => demand.host === host);
    waitForAll(
      jobs,
      ({ fresh }) => fresh,
      (queue) => sharedLink(queue, downBytesPerSecond),
      raise,
    );
  }
  waitForAll(
    demands,
    ({ unique }) => unique,
    (queue) => firstComeLink(queue, originRateOf(storm)),
    raise,
  );
  return ownMs;
}

/** Puts what each demand was the first to ask for on a link, and tells for each when all that it misses is through. */
function waitForAll(
  demands: readonly Demand[],
  asks: (demand: Demand) => PackSets,
  link: (queue: { readonly atMs: number; readonly bytes: number }[]) => LinkTimes,
  raise: (demand: Demand, doneMs: number) => void,
): void {
  const queue = demands.map((demand) => ({ atMs: demand.atMs, chunks: asks(demand), bytes: bytesOf(asks(demand)) }));
  const times = link(queue);
  const askedFor = new Map<number, number[]>();
  for (const [job, { chunks }] of queue.entries()) {
    for (const pack of chunks.keys()) askedFor.set(pack, [...(askedFor.get(pack) ?? []), job]);
    const demand = demands[job] as Demand;
    const suppliers = new Set([...demand.missing.keys()].flatMap((pack) => askedFor.get(pack) ?? []));
    for (const supplier of suppliers) {
      const bytes = bytesOf(commonPackSets(demand.missing, queue[supplier]?.chunks ?? new Map()));
      if (bytes > 0) raise(demand, times(supplier, bytes));
    }
  }
}
