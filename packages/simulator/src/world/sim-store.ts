import type { PackId } from '@quarry/content';
import type { StormFault } from '@quarry/scenario';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

type OriginFails = Extract<StormFault, { readonly kind: 'originFails' }>['how'];

/** What leaves the store, through seeders or by reads of Glance: each chunk once, or for a reason. */
export interface SimStore {
  given(pack: PackId, piece: number, mask: number, regive: string | undefined): void;
  /** A node begins to read; tells how Glance behaves just now. */
  beginRead(): OriginFails | undefined;
  endRead(): void;
  /** Why a node reads chunks of which it knows no holder, if that is so; undefined when somebody that it could reach has them. */
  whyRead(node: SimNode, pack: number, piece: number, mask: number): string | undefined;
  /** From now on reads fail like this, or do not. */
  fails: OriginFails | undefined;
}

export function createSimStore(world: () => World): SimStore {
  let reads = 0;
  const store: SimStore = {
    fails: undefined,
    given(pack, piece, mask, regive) {
      const { queue, packs, invariants } = world();
      invariants.originRead(queue.nowMs, packs.indexOf(pack), piece, mask, regive);
    },
    beginRead() {
      reads += 1;
      world().invariants.readsNow(world().queue.nowMs, reads);
      return store.fails;
    },
    endRead: () => void (reads -= 1),
    whyRead(node, pack, piece, mask) {
      const { nodes, wire } = world();
      let reason = 'nobody there has it';
      for (const other of nodes) {
        if (!other.isAlive || other === node || ((other.have.get(pack)?.[piece] ?? 0) & mask) === 0) continue;
        if (wire.isHeldUp(node.endpoint, other.endpoint) || other.sender.lie !== undefined) continue;
        if (!other.banned.has(node.endpoint) && !node.banned.has(other.endpoint)) return undefined;
        reason = 'banned by who has it';
      }
      return reason;
    },
  };
  return store;
}
