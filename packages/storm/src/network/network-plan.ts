import type { Storm } from '@quarry/scenario';
import { StormError } from '../storm-error.ts';

/** The part of a storm that its network is made from. */
export type NetworkNeeds = Pick<Storm, 'hosts' | 'zones' | 'origin'>;

/** Where a machine's cable ends: at a rack's switch, or at the spine, which joins the racks. */
export interface Machine {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly mac: string;
  /** The switch's end of its cable, an interface of the fabric's namespace. The machine's own end is always `eth0`. */
  readonly port: string;
  readonly zone: number | undefined;
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
}

/** The cable between a rack's switch and the spine: both ends lie in the fabric's namespace. */
export interface Uplink {
  readonly zone: number;
  readonly rackSwitch: string;
  /** End at the rack's switch: what it sends leaves the rack. */
  readonly upPort: string;
  /** End at the spine: what it sends goes into the rack. */
  readonly downPort: string;
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
}

export interface NetworkPlan {
  readonly fabric: string;
  readonly hosts: readonly Machine[];
  readonly racks: readonly Machine[];
  readonly origin: Machine;
  readonly uplinks: readonly Uplink[];
}

export const SPINE = 'spine';
export const SUBNET = '10.88.0.0/16';
const MOST_HOSTS = 2_000;
const MOST_ZONES = 250;

/** Only names and numbers. Every host of a storm with the same hosts has the same address in each run. @throws StormError STORM_UNSUPPORTED */
export function planNetwork({ hosts, zones, origin }: NetworkNeeds, prefix: string): NetworkPlan {
  if (hosts.length > MOST_HOSTS || zones.length > MOST_ZONES)
    throw new StormError(
      'STORM_UNSUPPORTED',
      `${hosts.length} hosts in ${zones.length} zones: the network takes ${MOST_HOSTS} and ${MOST_ZONES}`,
    );
  const machine = (
    port: string,
    number: number,
    rest: Omit<Machine, 'namespace' | 'address' | 'mac' | 'port'>,
  ): Machine => ({
    ...rest,
    namespace: `${prefix}${port}`,
    address: `10.88.${Math.floor(number / 250)}.${1 + (number % 250)}`,
    mac: `02:51:0a:58:${hexByte(Math.floor(number / 250))}:${hexByte(1 + (number % 250))}`,
    port,
  });
  return {
    fabric: `${prefix}fabric`,
    origin: machine('origin', 0, {
      name: 'origin',
      zone: undefined,
      upBytesPerSecond: origin.bytesPerSecond,
      downBytesPerSecond: origin.bytesPerSecond,
    }),
    racks: zones.map(({ name }, zone) => {
      const links = hosts.filter((host) => host.zone === zone);
      return machine(`r${zone}`, 1 + zone, {
        name: `rack-${name}`,
        zone,
        upBytesPerSecond: Math.max(0, ...links.map((host) => host.upBytesPerSecond)) || Infinity,
        downBytesPerSecond: Math.max(0, ...links.map((host) => host.downBytesPerSecond)) || Infinity,
      });
    }),
    hosts: hosts.map((host, index) => machine(`h${index}`, 1 + MOST_ZONES + index, host)),
    uplinks: zones.map((zone, index) => ({
      zone: index,
      rackSwitch: `z${index}`,
      upPort: `u${index}`,
      downPort: `s${index}`,
      upBytesPerSecond: zone.upBytesPerSecond,
      downBytesPerSecond: zone.downBytesPerSecond,
    })),
  };
}

export function machinesOf(plan: NetworkPlan): readonly Machine[] {
  return [plan.origin, ...plan.racks, ...plan.hosts];
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
