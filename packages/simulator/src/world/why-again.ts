import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** News of a new piece waits so long for more at most (SLOW_TELL_MS of the swarm’s link-pace), and goes and comes so often, until a neighbour knows it. */
const TELL_MS = 250;
const NEWS_HOPS = 4;
/** Members without a connection hear it by gossip: told after so long, in rounds; what is lost comes with a later one. */
const GOSSIP_MS = 3000;
const MS_PER_MEMBER = 2;
/** Who was cut off is not counted on for so long, but for who dials anew meanwhile. */
const UNREACHABLE_MS = 75_000;

/**
 * Why a node takes chunks from the store that left it before: what each host that holds them could not do for it. Undefined when one is honest, can be
 * reached, and the node has had the time to hear of it: then it should have asked there. `staleMs`: the node said so long ago what it lacks.
 */
export function whyAgain(
  world: World,
  node: SimNode,
  want: { readonly pack: number; readonly piece: number; readonly mask: number; readonly staleMs?: number },
): string | undefined {
  const { pack, piece, mask } = want;
  let reason = 'on its way to another';
  for (const other of world.nodes) {
    if (!other.isAlive || other === node || ((other.have.get(pack)?.[piece] ?? 0) & mask) === 0) continue;
    const why = whyNotFrom(world, node, other, want);
    if (why === undefined) return undefined;
    reason = why;
  }
  return reason;
}

function whyNotFrom(
  world: World,
  node: SimNode,
  other: SimNode,
  { pack, piece, staleMs = 0 }: Parameters<typeof whyAgain>[2],
): string | undefined {
  const { wire, queue, nodes, storm } = world;
  const { nowMs } = queue;
  const ends = [node.endpoint, other.endpoint] as const;
  if (other.sender.lie !== undefined) return 'its holder lies';
  if (other.banned.has(node.endpoint) || node.banned.has(other.endpoint)) return 'banned';
  if (wire.isHeldUp(...ends)) return 'cut off';
  const { hopMs, jitterMs } = storm.control;
  const slowness = Math.max(...ends.map((end) => wire.slowness(end)));
  const newsMs = staleMs + TELL_MS + NEWS_HOPS * (hopMs * slowness + jitterMs);
  const reachableMs = nowMs - wire.heldUpUntilMs(...ends);
  const heldMs = nowMs - other.presentSinceMs(pack, piece);
  if (node.connections.has(other.endpoint)) {
    if (heldMs <= newsMs) return 'not heard of yet';
    if (Math.min(reachableMs, nowMs - node.metMs(other.endpoint)) <= newsMs) return 'cut off until now';
    return node.scheduler.load().parkedPeers.includes(other.peer) ? 'stalled before' : undefined;
  }
  if (heldMs <= newsMs + GOSSIP_MS + MS_PER_MEMBER * nodes.length) return 'not heard of yet';
  if (reachableMs <= UNREACHABLE_MS || nowMs - other.startedAtMs <= UNREACHABLE_MS) return 'not connected again yet';
  return undefined;
}
