import type { PackId } from '@quarry/content';
import type { RegiveReason } from '@quarry/swarm/scheduler';

/** What leaves the store, through seeders or by reads of Glance: each chunk once, or for a reason. */
export interface SimStore {
  given(pack: PackId, piece: number, mask: number, regive: RegiveReason | undefined): void;
}

export function createSimStore(hooks: {
  readonly onGiven: (pack: PackId, piece: number, mask: number, reason: string | undefined) => void;
}): SimStore {
  return { given: (pack, piece, mask, regive) => hooks.onGiven(pack, piece, mask, regive) };
}
