import type { PackId } from '@quarry/content';
import type { StormFault } from '@quarry/scenario';
import type { World } from './world.ts';

type OriginFails = Extract<StormFault, { readonly kind: 'originFails' }>['how'];

/** What leaves the store, through seeders or by reads of Glance: each chunk once, or for a reason. */
export interface SimStore {
  /** `why`: asked for when some of it left before. */
  given(pack: PackId, piece: number, mask: number, why: () => string | undefined): void;
  /** One read more, or one less, is under way as whoever reads sees it: it may still wait for the budget. */
  readWanted(change: 1 | -1): void;
  /** A node begins to read; tells how Glance behaves just now. */
  beginRead(): OriginFails | undefined;
  endRead(): void;
  /** From now on reads fail like this, or do not. */
  fails: OriginFails | undefined;
}

export function createSimStore(world: () => World): SimStore {
  let reads = 0;
  let wanted = 0;
  const store: SimStore = {
    fails: undefined,
    given(pack, piece, mask, why) {
      const { queue, packs, invariants, trace, topology } = world();
      const index = packs.indexOf(pack);
      invariants.originRead(queue.nowMs, index, piece, mask, () => {
        const reason = why();
        const facts = { pack: index, piece, why: reason ?? 'none' };
        trace?.mark(queue.nowMs, topology.store, 'decision', 'again', facts);
        return reason;
      });
    },
    readWanted(change) {
      wanted += change;
      world().invariants.originTakers({ reads: wanted });
    },
    beginRead() {
      reads += 1;
      world().invariants.readsNow(world().queue.nowMs, reads);
      return store.fails;
    },
    endRead: () => void (reads -= 1),
  };
  return store;
}
