import type { PieceMasks } from '@quarry/swarm/scheduler';
import type { SimPackChange } from './have-board.ts';

/** What each peer said last of each piece, whatever the order in which its messages arrive. The daemon's messages carry the same sequence. */
export interface LatestHaves {
  /** A peer says all of a pack. Returns what it shows by now. */
  all(from: number, pack: number, masks: PieceMasks, sequence: number): PieceMasks;
  /** A peer says some pieces. Returns those that are news. */
  some(from: number, change: SimPackChange, sequence: number): SimPackChange;
  forget(peer: number): void;
}

interface Said {
  readonly masks: PieceMasks;
  readonly sequences: Uint32Array;
}

export function createLatestHaves(): LatestHaves {
  const byPeer = new Map<number, Map<number, Said>>();
  const saidOf = (from: number, pack: number, pieceCount: number): Said => {
    const byPack = byPeer.get(from) ?? new Map<number, Said>();
    byPeer.set(from, byPack);
    const said = byPack.get(pack) ?? { masks: new Uint16Array(pieceCount), sequences: new Uint32Array(pieceCount) };
    byPack.set(pack, said);
    return said;
  };
  const take = (said: Said, piece: number, mask: number, sequence: number): boolean => {
    if (sequence < (said.sequences[piece] ?? 0)) return false;
    said.sequences[piece] = sequence;
    said.masks[piece] = mask;
    return true;
  };
  return {
    all(from, pack, masks, sequence) {
      const said = saidOf(from, pack, masks.length);
      for (const [piece, mask] of masks.entries()) take(said, piece, mask, sequence);
      return said.masks;
    },
    some(from, change, sequence) {
      const said = saidOf(from, change.index, change.pieceCount);
      return { ...change, pieces: change.pieces.filter(({ piece, mask }) => take(said, piece, mask, sequence)) };
    },
    forget: (peer) => void byPeer.delete(peer),
  };
}
