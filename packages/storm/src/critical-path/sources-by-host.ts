import type { HostSources } from '../contestant.ts';
import type { LoggedMember } from './logged-storm.ts';

/**
 * Bytes of chunks by where each host had them from, in the order of `hosts`. What came is counted piece by piece, so that it is there of a host that was killed,
 * too; what was here already, and what the façade passed on from Glance as it was, is what the ends of fetches say. A host without a log has nothing.
 */
export function sourcesByHost(hosts: readonly LoggedMember[], members: readonly LoggedMember[]): HostSources[] {
  const zones = new Map(members.map(({ peer, zone }) => [peer, zone]));
  const isZoned = new Set(hosts.map(({ zone }) => zone)).size > 1;
  return hosts.map(({ zone, log }) => {
    const sums = { local: 0, rack: 0, peer: 0, seeder: 0, origin: 0 };
    let passedOn = 0;
    for (const { source, from, plain, duplicate = 0 } of log?.pieces ?? []) {
      const isRack = source === 'peer' && isZoned && zone !== undefined && zones.get(from ?? '') === zone;
      sums[isRack ? 'rack' : source] += plain - duplicate;
    }
    for (const { local = 0, origin = 0 } of log?.fetched ?? []) {
      sums.local += local;
      passedOn += origin;
    }
    return { ...sums, origin: Math.max(sums.origin, passedOn) };
  });
}
