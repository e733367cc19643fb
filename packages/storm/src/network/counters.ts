import { StormError } from '../storm-error.ts';
import type { LinkCounters, NetworkCounters, Waiting } from '../storm-network.ts';
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES } from './link-shape.ts';
import type { NetworkPlan } from './network-plan.ts';
import { runTool } from './run-tool.ts';
import { namespacePath } from './stale-runs.ts';

/** What `tc -s -j qdisc show` and `ip -s -j link show` say of one interface. */
interface QdiscReport {
  readonly dev: string;
  readonly root?: boolean;
  readonly bytes: number;
  readonly packets: number;
}
interface LinkReport {
  readonly ifname: string;
  readonly stats64: { readonly rx: LinkCounters };
}

/**
 * Three processes, however many hosts there are: all ports of switches lie in one namespace. A qdisc counts what it lets out, bytes and segments with the headers of
 * each, also where TCP handed down many segments in one piece. What hosts send is shaped in 200 namespaces, so for that the switch's end of the cable is
 * asked, which counts such a piece as one: see {@link wireCounters}.
 */
export async function readCounters(
  plan: NetworkPlan,
  { runBytes }: { readonly runBytes: number },
  { signal }: Waiting,
): Promise<NetworkCounters> {
  const inNamespace = async (namespace: string, ...words: readonly string[]): Promise<unknown> =>
    JSON.parse(await runTool('nsenter', [`--net=${namespacePath(namespace)}`, ...words], { signal }));
  const [fabric, links, origin] = (await Promise.all([
    inNamespace(plan.fabric, 'tc', '-s', '-j', 'qdisc', 'show'),
    inNamespace(plan.fabric, 'ip', '-s', '-j', 'link', 'show'),
    inNamespace(plan.origin.namespace, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', 'eth0'),
  ])) as [QdiscReport[], LinkReport[], QdiscReport[]];
  const ports = new Map(fabric.filter(({ root }) => root).map((report) => [report.dev, report]));
  const received = new Map(links.map(({ ifname, stats64 }) => [ifname, stats64.rx]));
  return {
    originOut: counted(origin[0], 'origin'),
    hostIn: plan.hosts.map(({ port }) => counted(ports.get(port), port)),
    hostOut: plan.hosts.map((machine) => wireCounters(counted(received.get(machine.port), machine.port), runBytes)),
    rackIn: plan.uplinks.map(({ downPort }) => counted(ports.get(downPort), downPort)),
  };
}

function counted(found: LinkCounters | undefined, link: string): LinkCounters {
  if (!found) throw new StormError('STORM_PART_FAILED', `the kernel has no counters for the link ${link}`);
  return { bytes: found.bytes, packets: found.packets };
}

/** Runs of segments, as counted with the headers of one, taken for what they are on the wire. A run's length varies: taken as half of the longest. */
function wireCounters(counters: LinkCounters, runBytes: number): LinkCounters {
  const payload = Math.max(0, counters.bytes - counters.packets * FRAME_HEADER_BYTES);
  const runs = Math.min(counters.packets, payload / (runBytes / 2));
  const uncounted = Math.max(0, Math.round(payload / FRAME_PAYLOAD_BYTES - runs));
  return { bytes: counters.bytes + uncounted * FRAME_HEADER_BYTES, packets: counters.packets + uncounted };
}
