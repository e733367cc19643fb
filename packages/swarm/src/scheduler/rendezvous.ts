import type { PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1998): whoever scores highest for a piece is first in line for it. All nodes that know the same
 * members agree without asking, and a member that goes moves only its own pieces. Every node must compute the same numbers: PROTOCOL.md.
 */
export function memberKey(member: PeerId, pack: PackId): number {
  return textKey(`${member}/${pack}`);
}

/** 32 bits, uniform. */
export function pieceScore(key: number, piece: number): number {
  // The finalizer of MurmurHash3 (Appleby, 2011): each bit of the input changes half of the output.
  let h = (key ^ Math.imul(piece + 1, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** FNV-1a (Fowler, Noll and Vo) over the text's code units, which are ASCII here. */
export function textKey(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The order in which all nodes read a pack's pieces when each reads its own share: at random, and the same everywhere. */
export function commonOrder(pack: PackId, pieceCount: number): Uint16Array {
  const key = textKey(pack);
  const order = Uint16Array.from({ length: pieceCount }, (_, piece) => piece);
  return order.sort((a, b) => pieceScore(key, a) - pieceScore(key, b) || a - b);
}
