import type { PeerId } from '@quarry/swarm/scheduler';
import type { SimBudget } from './sim-budget.ts';
import type { World } from './world.ts';

/** Hosts and seeders that are there, without this one, and the seeders among them that it is connected to. */
export function peersKnownTo(
  world: World,
  endpoint: number,
): { readonly members: readonly PeerId[]; readonly seeders: readonly PeerId[] } {
  const { nodes } = world;
  const others = [...nodes, ...world.seeders].filter((one) => one.isAlive && one.endpoint !== endpoint);
  const connections = nodes[endpoint]?.connections;
  const seeders = others.filter((one) => one.endpoint >= nodes.length && connections?.has(one.endpoint) !== false);
  return { members: others.map(({ peer }) => peer), seeders: seeders.map(({ peer }) => peer) };
}

/** What an ask from one endpoint to another reaches; undefined where nobody lives, or either has banned the other. */
export function budgetAt(world: World, from: number, to: number): SimBudget | undefined {
  const [asker, there] = [world.nodes[from], world.nodes[to]];
  if (asker?.banned.has(to) === true || there?.banned.has(from) === true) return undefined;
  const one = there ?? world.seeders.find(({ endpoint }) => endpoint === to);
  return one?.isAlive === true ? one.budget : undefined;
}

/** Tells everybody that somebody came or went. */
export function tellMembers(world: World, goodbyes: readonly PeerId[] = []): void {
  for (const one of [...world.nodes, ...world.seeders]) if (one.isAlive) one.budget.membersChanged(goodbyes);
}

/** How far before the storm its hosts began to know each other; a second is enough for asks, the rest for grantors to trust that they are alone. */
export const SETTLED_MS = 5000;
const SETTLE_STEP_MS = 100;

/** Lets the budgets of all who are there from the start come to rest, before the storm. */
export function settleBudgets(world: World): void {
  const budgets = [...world.nodes, ...world.seeders].map(({ budget }) => budget);
  if (!budgets.some(({ isLimited }) => isLimited)) return;
  for (let nowMs = -SETTLED_MS; nowMs < 0; nowMs += SETTLE_STEP_MS) for (const budget of budgets) budget.settle(nowMs);
}
