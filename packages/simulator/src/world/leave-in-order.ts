import { createLeaveWatch, emptyMasks, fullMasks, leaveDefaults } from '@quarry/swarm/scheduler';
import type { AskEntry } from '@quarry/swarm/scheduler';
import type { PackId } from '@quarry/content';

import type { SimNode } from './sim-node.ts';
import type { SimSeeder } from './sim-seeder.ts';
import type { World } from './world.ts';

/** The seeder wants to leave, and asks in the daemon's rounds and by its rule whether it may; `leave` runs when it does. */
export function leaveInOrder(world: World, seeder: SimSeeder, leave: () => void): void {
  const { queue, packs, wire } = world;
  const watch = createLeaveWatch({
    ours: (pack) => fullMasks(packs.descriptors[packs.indexOf(pack)] as Parameters<typeof fullMasks>[0]),
    isDistrusted: (node) => seeder.ledger.status().distrusted.includes(node),
  });
  /** Who has not answered yet: is not asked again before. A connection that broke takes the question with it. */
  const asking = new Set<SimNode>();

  const ask = (node: SimNode, asked: readonly PackId[], answered: () => void): void => {
    if (asking.has(node)) return;
    asking.add(node);
    wire.send(seeder.endpoint, node.endpoint, () => {
      const entries = answerOf(node, asked);
      wire.send(node.endpoint, seeder.endpoint, () => {
        asking.delete(node);
        watch.heard(node.peer, entries);
        answered();
      });
    });
  };
  const round = (): void => {
    if (!seeder.isAlive) return;
    const nodes = world.nodes.filter((node) => node.isAlive && node.connections.has(seeder.endpoint));
    for (const node of asking) if (!nodes.includes(node)) asking.delete(node);
    const asked = watch.ask(
      nodes.map((node) => node.peer),
      queue.nowMs,
    );
    let isOver = false;
    const conclude = (): void => {
      if (isOver || !seeder.isAlive) return;
      isOver = true;
      const { mayLeave, isAskingAnew, unsafePieces } = watch.verdict(queue.nowMs);
      world.trace?.mark(queue.nowMs, seeder.endpoint, 'decision', mayLeave ? 'leaves' : 'may not leave', {
        unsafePieces,
      });
      if (mayLeave) leave();
      else queue.at(queue.nowMs + (isAskingAnew ? 0 : leaveDefaults.roundMs), round);
    };
    for (const node of nodes) {
      ask(node, asked, () => {
        if (watch.isComplete) conclude();
      });
    }
    if (watch.isComplete) conclude();
    else queue.at(queue.nowMs + leaveDefaults.roundMs, conclude);
  };
  round();
}

/** As a daemon answers: the packs of which it needs something, and what it has of those asked about. One that shows more than it has does so here. */
function answerOf(node: SimNode, asked: readonly PackId[]): AskEntry[] {
  const { packs } = node.world;
  const entries = new Map(node.unshelver.needs().map((entry) => [entry.pack, entry]));
  for (const pack of asked) {
    const have = node.masksOf(packs.indexOf(pack));
    if (!entries.has(pack)) entries.set(pack, { pack, need: emptyMasks(have.length), have });
  }
  return [...entries.values()].map((entry) => {
    const descriptor = packs.descriptors[packs.indexOf(entry.pack)];
    const isBoasting = node.sender.lie === 'falseHaves' && descriptor;
    return { ...entry, have: isBoasting ? fullMasks(descriptor) : entry.have.slice() };
  });
}
