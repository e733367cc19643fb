import type { Storm } from '@quarry/scenario';
import type { FlowNetwork } from '../engine/flow-network.ts';

/** The storm's links in the flow network. Endpoints are hosts by number, and from there on what is next to the store: seeders and Glance. */
export interface Topology {
  readonly up: readonly number[];
  readonly down: readonly number[];
  readonly origin: number;
  readonly zoneDown: readonly number[];
  /** Endpoint of Glance itself. */
  readonly store: number;
  /** The links from one endpoint to another, in order. */
  path(from: number, to: number): readonly number[];
  isCrossing(from: number, to: number): boolean;
}

export function createTopology(storm: Storm, net: FlowNetwork): Topology {
  const hosts = storm.hosts.length;
  const up = storm.hosts.map((host) => net.addLink(host.upBytesPerSecond));
  const down = storm.hosts.map((host) => net.addLink(host.downBytesPerSecond));
  const origin = net.addLink(storm.origin.bytesPerSecond);
  const zoneUp = storm.zones.map((zone) => net.addLink(zone.upBytesPerSecond));
  const zoneDown = storm.zones.map((zone) => net.addLink(zone.downBytesPerSecond));
  const zoneOf = (endpoint: number): number => storm.hosts[endpoint]?.zone ?? -1;
  const isCrossing = (from: number, to: number): boolean => zoneOf(from) !== zoneOf(to);
  const hasZones = storm.zones.length > 1;
  return {
    up,
    down,
    origin,
    zoneDown,
    store: hosts + storm.origin.seeders,
    isCrossing,
    path(from, to) {
      const links = [from < hosts ? (up[from] as number) : origin];
      if (hasZones && isCrossing(from, to)) {
        if (from < hosts) links.push(zoneUp[zoneOf(from)] as number);
        if (to < hosts) links.push(zoneDown[zoneOf(to)] as number);
      }
      if (to < hosts) links.push(down[to] as number);
      return links;
    },
  };
}
