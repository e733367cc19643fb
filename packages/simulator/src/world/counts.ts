import { maskedBytes } from '@quarry/content';
import type { PieceMasks } from '@quarry/swarm/scheduler';
import type { Storm } from '@quarry/scenario';
import type { SimulatedUnshelve } from '../simulation.ts';
import type { SimNode } from './sim-node.ts';
import type { SimPacks } from './sim-packs.ts';

/** What is counted while a storm runs. */
export interface Counts {
  wastedBytes: number;
  badPieces: number;
  busy: number;
  absent: number;
  bans: number;
  seeks: number;
  tells: number;
  finished: number;
  unshelveBegan(unshelve: number, node: SimNode, needs: ReadonlyMap<number, PieceMasks>): void;
  unshelveEnded(unshelve: number, node: SimNode, needs: ReadonlyMap<number, PieceMasks>, why: string | undefined): void;
  readonly unshelves: readonly SimulatedUnshelve[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export function createCounts(storm: Storm, packs: () => SimPacks): Counts {
  const liars = new Set(storm.faults.flatMap((fault) => (fault.kind === 'lie' ? [fault.host] : [])));
  const unshelves = storm.unshelves.map(
    ({ host, image, atMs }): Mutable<SimulatedUnshelve> => ({
      host,
      image,
      atMs,
      isHonest: !liars.has(host),
      linkBytesPerSecond: storm.hosts[host]?.downBytesPerSecond ?? 0,
      endedMs: undefined,
      bytes: 0,
    }),
  );
  const counts: Counts = {
    wastedBytes: 0,
    badPieces: 0,
    busy: 0,
    absent: 0,
    bans: 0,
    seeks: 0,
    tells: 0,
    finished: 0,
    unshelveBegan(unshelve, node, needs) {
      const one = unshelves[unshelve];
      if (!one || one.bytes > 0) return;
      for (const [pack, masks] of needs) {
        const descriptor = packs().descriptors[pack];
        const have = node.have.get(pack);
        if (!descriptor) continue;
        for (const [piece, mask] of masks.entries()) {
          one.bytes += maskedBytes(descriptor, piece, mask & ~(have?.[piece] ?? 0));
        }
      }
    },
    unshelveEnded(unshelve, node, needs, why) {
      const one = unshelves[unshelve];
      if (!one) return;
      one.endedMs = node.nowMs;
      one.why = why;
      if (why !== undefined) return;
      for (const [pack, masks] of needs) {
        for (const [piece, mask] of masks.entries()) {
          if (!node.holds(pack, piece, mask))
            one.why = `said to be whole, but lacks chunks of piece ${piece} of pack ${pack}`;
        }
      }
      if (one.why === undefined) counts.finished += 1;
    },
    unshelves,
  };
  return counts;
}
