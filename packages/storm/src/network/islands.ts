import { ownForwarding, plugIn } from './network-batches.ts';
import type { Batch } from './network-batches.ts';
import type { NetworkPlan } from './network-plan.ts';

/** What has to be done to the fabric, links first. */
export interface Recabling {
  readonly links: Batch;
  readonly forwarding: Batch;
}

/**
 * Hosts that are cut off from all others the same way stand at a switch of their own, which is joined to nothing: they reach each other and nobody else does. Moving
 * a cable from switch to switch tells nobody: no carrier goes, no neighbour is forgotten, so TCP sees silence. Within an island no uplink counts.
 */
export interface Islands {
  /** Cuts of other sets of hosts stay in force: a host that two cuts hold is reached only by those that both hold. */
  cutOff(hosts: readonly number[]): Recabling;
  /** Undoes the cut of exactly these hosts. */
  heal(hosts: readonly number[]): Recabling;
  healAll(): Recabling;
}

export function createIslands(plan: NetworkPlan): Islands {
  /** By its hosts in order, with commas. */
  const cuts = new Map<string, ReadonlySet<number>>();
  /** Where each host stands; absent: at its rack's switch. */
  const standing = new Map<number, string>();
  const switches = new Map<string, string>();
  const recable = (): Recabling => {
    const links: string[] = [];
    const forwarding: string[] = [];
    for (const [host, machine] of plan.hosts.entries()) {
      const island = [...cuts].flatMap(([key, hosts]) => (hosts.has(host) ? [key] : [])).join('/');
      if (island === (standing.get(host) ?? '')) continue;
      if (island === '') {
        standing.delete(host);
        links.push(...plugIn(machine));
        forwarding.push(...ownForwarding(machine));
        continue;
      }
      standing.set(host, island);
      let name = switches.get(island);
      if (name === undefined) {
        name = `i${switches.size}`;
        switches.set(island, name);
        links.push(
          `link add name ${name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
          `link set ${name} up`,
        );
      }
      // This switch learns: nobody has entered who stands there, and few do.
      links.push(
        `link set ${machine.port} master ${name}`,
        `link set ${machine.port} type bridge_slave learning on flood on mcast_flood on bcast_flood on`,
      );
    }
    return { links, forwarding };
  };
  const keyOf = (hosts: readonly number[]): string => [...new Set(hosts)].sort((a, b) => a - b).join();
  return {
    cutOff(hosts) {
      cuts.set(keyOf(hosts), new Set(hosts));
      return recable();
    },
    heal(hosts) {
      cuts.delete(keyOf(hosts));
      return recable();
    },
    healAll() {
      cuts.clear();
      return recable();
    },
  };
}
