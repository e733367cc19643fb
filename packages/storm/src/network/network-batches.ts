import { FRAME_BYTES, largestSegmentRun, shapeFor, tbfWords, UNLIMITED } from './link-shape.ts';
import type { Machine, NetworkPlan } from './network-plan.ts';
import { machinesOf, SPINE, SUBNET } from './network-plan.ts';

/** What `ip -batch`, `tc -batch` and `bridge -batch` read, a command a line. */
export type Batch = readonly string[];

export function batchText(batch: Batch): string {
  return batch.map((line) => `${line}\n`).join('');
}

/**
 * A switch that knows where everybody is and never guesses: no spanning tree, no learning, no flooding, static entries for all. Frames for somebody who has been cut
 * off then go nowhere, rather than over everybody's shaped link. What a rack's switch does not know goes up, which is its only flooding port.
 */
const QUIET_BRIDGE = 'type bridge stp_state 0 forward_delay 0 mcast_snooping 0';
const QUIET_PORT = 'type bridge_slave learning off flood off mcast_flood off bcast_flood off';

/** In the fabric's namespace: the switches, the cables between them and to every machine. */
export function fabricLinks(plan: NetworkPlan): Batch {
  return [
    `link add name ${SPINE} ${QUIET_BRIDGE}`,
    `link set ${SPINE} up`,
    ...plan.uplinks.flatMap(({ rackSwitch, upPort, downPort }) => [
      `link add name ${rackSwitch} ${QUIET_BRIDGE}`,
      `link set ${rackSwitch} up`,
      `link add name ${upPort} type veth peer name ${downPort}`,
      `link set ${upPort} master ${rackSwitch}`,
      `link set ${upPort} type bridge_slave learning off flood on`,
      `link set ${downPort} master ${SPINE}`,
      `link set ${downPort} ${QUIET_PORT}`,
      `link set ${upPort} up`,
      `link set ${downPort} up`,
    ]),
    ...machinesOf(plan).flatMap((machine) => [
      `link add name ${machine.port} type veth peer name eth0 address ${machine.mac} netns ${machine.namespace}`,
      ...plugIn(machine),
      `link set ${machine.port} up`,
    ]),
  ];
}

/** The machine's cable into its own switch. Entries that the switch had for the port went when it was taken out. */
export function plugIn({ port, zone }: Machine): Batch {
  return [`link set ${port} master ${zone === undefined ? SPINE : `z${zone}`}`, `link set ${port} ${QUIET_PORT}`];
}

/** Who is behind which port: for `bridge -batch`. */
export function forwarding(plan: NetworkPlan): Batch {
  return machinesOf(plan).flatMap((machine) => [
    ...ownForwarding(machine),
    ...(machine.zone === undefined ? [] : [`fdb add ${machine.mac} dev s${machine.zone} master static`]),
  ]);
}

export function ownForwarding({ mac, port }: Machine): Batch {
  return [`fdb add ${mac} dev ${port} master static`];
}

/**
 * In a machine's namespace. Everybody is entered as a permanent neighbour: the kernel's table holds 1024 others for all namespaces together (gc_thresh3), and 200
 * machines that ask for each other need more.
 */
export function machineLinks(machine: Machine, plan: NetworkPlan, runBytes: number): Batch {
  return [
    'link set lo mtu 8192 gso_max_size 16384 up',
    `link set eth0 gso_max_size ${runBytes}`,
    `address add ${machine.address}/16 dev eth0 noprefixroute`,
    'link set eth0 up',
    // Cubic, which is what a cluster's hosts have unless somebody changed it. By the route, since a namespace may not choose as its default what the machine
    // does not allow everybody (net.ipv4.tcp_allowed_congestion_control).
    `route add ${SUBNET} dev eth0 src ${machine.address} congctl cubic`,
    ...machinesOf(plan).flatMap(({ address, mac }) =>
      mac === machine.mac ? [] : [`neighbour add ${address} lladdr ${mac} dev eth0 nud permanent`],
    ),
  ];
}

/** Half of it is payload, the rest is what the kernel needs to keep it. */
const MIN_SEND_BUFFER_BYTES = 64 * 1024;

/**
 * TCP remembers nothing from one connection to the next: links change between preparing and the storm, and one contestant must not profit from another. Runs of
 * segments are as long as they may be, also of a slow connection: of those that meet in one link, who has longer runs gets more.
 *
 * What the kernel takes from a process before it has left is as small to the link as it is elsewhere: the usual 4 MiB are 3 ms at 10 Gbit/s, but four seconds at
 * 8 Mbit/s, and a seeder was seen to give away a whole image in a moment and to send it for half a minute.
 */
export function machineSettings(runBytes: number): Readonly<Record<string, string>> {
  return {
    'net/ipv6/conf/all/disable_ipv6': '1',
    'net/ipv6/conf/default/disable_ipv6': '1',
    'net/ipv4/tcp_no_metrics_save': '1',
    'net/ipv4/tcp_wmem': `4096 16384 ${Math.max(MIN_SEND_BUFFER_BYTES, 8 * runBytes)}`,
    'net/ipv4/tcp_min_tso_segs': String(Math.max(1, Math.floor(runBytes / FRAME_BYTES))),
  };
}

/** Frames pass the switches without a look from netfilter, where that is loaded. */
export const FABRIC_SETTINGS: Readonly<Record<string, string>> = Object.freeze({
  'net/ipv6/conf/all/disable_ipv6': '1',
  'net/ipv6/conf/default/disable_ipv6': '1',
  'net/bridge/bridge-nf-call-iptables': '0',
  'net/bridge/bridge-nf-call-ip6tables': '0',
  'net/bridge/bridge-nf-call-arptables': '0',
});

/** One length for all: a run passes several links. By the slowest machine's. */
export function segmentRunOf(plan: NetworkPlan): number {
  const rates = machinesOf(plan).flatMap(({ upBytesPerSecond, downBytesPerSecond }) => [
    upBytesPerSecond,
    downBytesPerSecond,
  ]);
  return largestSegmentRun(Math.min(...rates));
}

export interface Speeds {
  readonly isShaped: boolean;
  /** Part of its speed that a machine's link has. */
  factor(machine: Machine): number;
  readonly runBytes: number;
}

function tbf(bytesPerSecond: number, { isShaped, runBytes }: Speeds): string {
  return tbfWords(isShaped ? shapeFor(bytesPerSecond, runBytes) : UNLIMITED);
}

/** At the switch's end: what goes to the machine. */
export function portSpeed(machine: Machine, speeds: Speeds): string {
  return `qdisc replace dev ${machine.port} root ${tbf(machine.downBytesPerSecond * speeds.factor(machine), speeds)}`;
}

/** At the machine's end: what it sends. */
export function ownSpeed(machine: Machine, speeds: Speeds): string {
  return `qdisc replace dev eth0 root ${tbf(machine.upBytesPerSecond * speeds.factor(machine), speeds)}`;
}

export function uplinkSpeeds(plan: NetworkPlan, speeds: Speeds): Batch {
  return plan.uplinks.flatMap(({ upPort, downPort, upBytesPerSecond, downBytesPerSecond }) => [
    `qdisc replace dev ${upPort} root ${tbf(upBytesPerSecond, speeds)}`,
    `qdisc replace dev ${downPort} root ${tbf(downBytesPerSecond, speeds)}`,
  ]);
}
