import { shuffled } from '@quarry/runtime';
import type { HostShare, Scenario } from '../format/scenario.ts';
import type { StormControl, StormHost, StormOrigin, StormZone } from '../storm.ts';
import { impossible, linkRateOf, msOf, plainRateOf } from './scales.ts';
import type { Scales } from './scales.ts';
import { scenarioRandom } from './scenario-random.ts';

export function expandHosts(scenario: Scenario, count: number, scales: Scales, seed: number): StormHost[] {
  const links = Array.from({ length: count }, () => scales.link);
  let drawn = shuffled([...links.keys()], scenarioRandom(seed, 'groups'));
  for (const [i, group] of scenario.groups.entries()) {
    const size = countOf(group.hosts, count);
    if (size > drawn.length)
      throw impossible(scenario, `groups[${i}] wants ${size} hosts, but of ${count} only ${drawn.length} are left`);
    for (const host of drawn.slice(0, size)) links[host] = linkRateOf(group.link, scales);
    drawn = drawn.slice(size);
  }
  const perZone = scenario.zones?.hostsPerZone ?? count;
  return links.map((link, host) => ({
    name: `h${host}`,
    zone: Math.floor(host / perZone),
    upBytesPerSecond: link,
    downBytesPerSecond: link,
    diskWriteBytesPerSecond: plainRateOf(scenario.hosts.diskWrite, scales),
  }));
}

export function expandZones(scenario: Scenario, hostCount: number, scales: Scales): StormZone[] {
  const { zones } = scenario;
  if (!zones) return [{ name: 'z0', upBytesPerSecond: Infinity, downBytesPerSecond: Infinity }];
  const uplink = (zones.hostsPerZone * scales.link) / zones.oversubscription;
  return Array.from({ length: Math.ceil(hostCount / zones.hostsPerZone) }, (_, i) => ({
    name: `z${i}`,
    upBytesPerSecond: uplink,
    downBytesPerSecond: uplink,
  }));
}

export function expandOrigin({ origin }: Scenario, scales: Scales): StormOrigin {
  return {
    bytesPerSecond: linkRateOf(origin.rate, scales),
    seeders: origin.seeders,
    isReadable: origin.isReadable,
    readDelayMs: msOf(origin.readDelay, scales),
    budgetBytesPerSecond: plainRateOf(origin.budget, scales),
    budgetReads: origin.budgetReads ?? Infinity,
  };
}

export function expandControl({ control }: Scenario, scales: Scales): StormControl {
  return {
    hopMs: msOf(control.hop, scales),
    verifyMs: msOf(control.verify, scales),
    jitterMs: msOf(control.jitter, scales),
    gossipLoss: control.gossipLoss,
  };
}

/** At least one, rounded up; rounding errors do not count (10 % of 30 are 3). */
export function countOf(share: HostShare, hostCount: number): number {
  if (share.unit === 'hosts') return share.amount;
  return Math.max(1, Math.ceil(share.amount * hostCount - 1e-9));
}
