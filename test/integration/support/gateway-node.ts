import { systemClock } from '@quarry/runtime';
import { findFreePort } from '../../glance/free-port.ts';
import type { Cluster, Member } from './cluster.ts';

/** A daemon with a façade, as on a compute host. */
export interface GatewayNode extends Member {
  /** What Nova's `[glance] endpoint_override` is set to. */
  readonly url: string;
}

const WITHIN_MS = 30_000;
const POLL_MS = 50;

export async function startGatewayNode(
  cluster: Cluster,
  name: string,
  glanceUrl: string,
  flags: readonly string[] = [],
): Promise<GatewayNode> {
  const address = `127.0.0.1:${await findFreePort()}`;
  const facade = ['--gateway', address, '--glance', glanceUrl, '--gateway-drain', '1s'];
  const member = await cluster.startNode(name, [...facade, ...flags]);
  return { ...member, url: `http://${address}` };
}

/** Resolves when the node knows how these images are made: what is shelved is published after Nova has its answer. */
export async function knows(node: Member, images: readonly string[]): Promise<void> {
  const late = AbortSignal.timeout(WITHIN_MS);
  for (;;) {
    const known = new Set((await node.client.images({ signal: late })).map(({ image }) => image));
    if (images.every((id) => known.has(id))) return;
    await systemClock.sleep(POLL_MS, { signal: late });
  }
}
