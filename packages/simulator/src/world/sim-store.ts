import type { PackId } from '@quarry/content';
import type { RegiveReason } from '@quarry/swarm/scheduler';

/** What leaves the store, through seeders or by reads of Glance: each chunk once, or for a reason. */
export interface SimStore {
  given(pack: PackId, piece: number, mask: number, regive: RegiveReason | undefined): void;
  /** Chunks that left more than once, by reason. */
  readonly regives: Readonly<Record<string, number>>;
}

export function createSimStore(hooks: {
  readonly onGiven: (pack: PackId, piece: number, mask: number, reason: string | undefined) => void;
}): SimStore {
  const regives: Record<string, number> = {};
  return {
    given(pack, piece, mask, regive) {
      if (regive !== undefined) regives[regive] = (regives[regive] ?? 0) + 1;
      hooks.onGiven(pack, piece, mask, regive);
    },
    regives,
  };
}
