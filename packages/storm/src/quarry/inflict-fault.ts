import type { StormFault } from '@quarry/scenario';
import type { Stage } from '../contestant.ts';
import type { Waiting } from '../storm-network.ts';
import type { Cluster } from './start-cluster.ts';

/**
 * What a fault does to daemons: signals. Links, cut-offs and Glance are the harness's. A CPU cannot be slowed for one process without slowing what measures,
 * and chunks that a kernel has taken cannot be lost by killing: `slowCpu` means nothing here, nor does `tornChunks`.
 */
export async function inflictFault(
  { stage, cluster }: { readonly stage: Stage; readonly cluster: Cluster },
  fault: StormFault,
  { signal }: Waiting,
): Promise<boolean> {
  const { clock, lifecycle } = stage;
  switch (fault.kind) {
    case 'kill': {
      const node = cluster.nodes[fault.host];
      cluster.nodes[fault.host] = undefined;
      node?.signal('SIGKILL');
      await node?.ended;
      return true;
    }
    case 'restart':
      if (cluster.nodes[fault.host] === undefined) await cluster.startNode(fault.host, { signal });
      return true;
    case 'stall': {
      const node = cluster.nodes[fault.host];
      node?.signal('SIGSTOP');
      const lastsMs = fault.untilMs - fault.atMs;
      if (lastsMs === Infinity) return true;
      const cancel = clock.after(lastsMs, () => node?.signal('SIGCONT'));
      lifecycle.onClose('a stall', cancel);
      return true;
    }
    case 'lie':
      cluster.nodes[fault.host]?.signal('SIGUSR2');
      return true;
    case 'seedersLeave':
      for (const seeder of cluster.seeders.splice(0)) seeder.signal(fault.isOrderly ? 'SIGTERM' : 'SIGKILL');
      return true;
    case 'slowLink':
    case 'partition':
    case 'originFails':
      return true; // the harness's
    case 'slowCpu':
      return false;
  }
}
