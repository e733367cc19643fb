import type { PackDescriptor, PackId, PackStore } from '@quarry/content';
import type { Clock } from '@quarry/runtime';

/**
 * What was hashed so short a time ago that it need not be again before it leaves: hashing is a third of what sending costs (0.3 of 1.0 CPU s/GB), and
 * in a storm a node sends soon, and several times, what it has just received or read. Not for ever: disks change bits. A bit for each chunk.
 */
export interface CheckedPieces {
  has(descriptor: PackDescriptor, piece: number, mask: number): boolean;
  /** These chunks were hashed just now, on the way in or out. */
  add(descriptor: PackDescriptor, piece: number, mask: number): void;
  stop(): void;
}

/** Of bytes read or written so short a time ago the system mostly still has its copy in memory. */
const FORGET_MS = 120_000;
/** 512 bytes each. */
const MAX_PACKS = 1024;

interface CheckedPack {
  readonly masks: Uint16Array;
  readonly sinceMs: number;
}

export function createCheckedPieces(deps: { readonly store: PackStore; readonly clock: Clock }): CheckedPieces {
  const { store, clock } = deps;
  /** The oldest first. */
  const packs = new Map<PackId, CheckedPack>();
  const freshOf = (id: PackId): CheckedPack | undefined => {
    const known = packs.get(id);
    if (known && clock.now() - known.sinceMs < FORGET_MS) return known;
    packs.delete(id);
    return undefined;
  };
  const stop = store.onAbsent((id) => void packs.delete(id));
  return {
    has({ id }, piece, mask) {
      return (mask & ~(freshOf(id)?.masks[piece] ?? 0)) === 0;
    },
    add({ id, pieceCount }, piece, mask) {
      const pack = freshOf(id) ?? { masks: new Uint16Array(pieceCount), sinceMs: clock.now() };
      pack.masks[piece] = (pack.masks[piece] ?? 0) | mask;
      packs.set(id, pack);
      if (packs.size > MAX_PACKS) for (const [oldest] of [...packs].slice(0, 1)) packs.delete(oldest);
    },
    stop,
  };
}
