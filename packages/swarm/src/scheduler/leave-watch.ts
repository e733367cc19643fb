import type { PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import type { AskEntry } from './fetch-events.ts';
import { isEmptyMasks } from './piece-masks.ts';
import type { PieceMasks } from './piece-masks.ts';

/**
 * When a seeder may leave. That each piece has left it once is not enough: whoever has the only other copy may die a moment later. It may
 * leave when each chunk that some living node still needs, and that this seeder could give, is held by `leaveHolders` living nodes: then
 * no `leaveHolders` − 1 of them that die together take anything with them. What nobody needs any more keeps no seeder.
 *
 * It asks, in rounds, all nodes that it is connected to (every node is connected to every seeder): only nodes know what they need, their
 * asks name no more than what nobody shows. Other seeders do not count, they may be about to leave as well.
 */
export interface LeaveWatch {
  /** A round begins: these nodes are connected. Each is to be asked what it needs, and what it has of the packs returned. */
  ask(nodes: Iterable<PeerId>, nowMs: number): readonly PackId[];
  /** What a node needs and has. Packs that it does not name it neither needs nor has. */
  heard(node: PeerId, entries: readonly AskEntry[]): void;
  /** Whether all nodes of this round have answered. */
  readonly isComplete: boolean;
  verdict(nowMs: number): LeaveVerdict;
}

export interface LeaveVerdict {
  readonly mayLeave: boolean;
  /** Pieces with chunks that are needed and held by too few. */
  readonly unsafePieces: number;
  /** Nodes that need them. */
  readonly needers: readonly PeerId[];
  /** Nodes that have not said yet what they need. */
  readonly unheard: readonly PeerId[];
  /** Whether the next round should begin at once: somebody needs a pack of which the others were not asked yet. */
  readonly isAskingAnew: boolean;
}

export interface LeaveOptions {
  /** Living nodes that must hold what is needed. Whole, at least 1. */
  readonly leaveHolders: number;
  /** A node that is late is not waited for longer than this; and so long after the last round the next begins. */
  readonly roundMs: number;
  /** A node that answers nothing for so long counts as dead, though connected: longer than most hosts are held up, shorter than an operator waits. */
  readonly silentMs: number;
}

export const leaveDefaults: LeaveOptions = Object.freeze({ leaveHolders: 3, roundMs: 500, silentMs: 25_000 });

interface Word {
  entries: readonly AskEntry[];
  /** In which round it was heard; 0: not yet. */
  round: number;
  /** When it was first asked what it has not answered. */
  askedAtMs: number;
}

export function createLeaveWatch(
  deps: {
    /** What this seeder can give of a pack; undefined when it does not know the pack. */
    readonly ours: (pack: PackId) => PieceMasks | undefined;
    /** Whether the node is known for a liar: what it says counts no more. */
    readonly isDistrusted: (node: PeerId) => boolean;
  },
  chosen: Partial<LeaveOptions> = {},
): LeaveWatch {
  const options = { ...leaveDefaults, ...chosen };
  const words = new Map<PeerId, Word>();
  let asked: readonly PackId[] = [];
  let round = 0;

  const neededPacks = (): PackId[] => {
    const packs = new Set<PackId>();
    for (const { entries } of words.values()) {
      for (const { pack, need } of entries) if (!isEmptyMasks(need) && deps.ours(pack)) packs.add(pack);
    }
    return [...packs];
  };
  const isSilent = (word: Word, nowMs: number): boolean =>
    word.round !== round && nowMs - word.askedAtMs >= options.silentMs;

  return {
    ask(nodes, nowMs) {
      const connected = new Set(nodes);
      for (const node of words.keys()) if (!connected.has(node)) words.delete(node);
      for (const node of connected) {
        const word = words.get(node);
        if (!word) words.set(node, { entries: [], round: 0, askedAtMs: nowMs });
        else if (word.round === round) word.askedAtMs = nowMs;
      }
      round += 1;
      asked = neededPacks();
      return asked;
    },
    heard(node, entries) {
      const word = words.get(node);
      if (word) Object.assign(word, { entries, round });
    },
    get isComplete() {
      for (const word of words.values()) if (word.round !== round) return false;
      return true;
    },
    verdict(nowMs) {
      const living = [...words].filter(([node, word]) => !isSilent(word, nowMs) && !deps.isDistrusted(node));
      const unheard = living.filter(([, word]) => word.round === 0).map(([node]) => node);
      const needers = new Set<PeerId>();
      let unsafePieces = 0;
      for (const pack of neededPacks()) {
        const says = living.flatMap(([node, word]) => {
          const entry = word.entries.find((one) => one.pack === pack);
          return entry ? [{ node, entry, isHolder: word.round === round }] : [];
        });
        const haves = says.filter(({ isHolder }) => isHolder).map(({ entry }) => entry.have);
        for (const [piece, mask] of (deps.ours(pack) ?? []).entries()) {
          const short = mask & ~heldBy(haves, piece, options.leaveHolders);
          if (short === 0) continue;
          let isNeeded = false;
          for (const { node, entry } of says) {
            if (((entry.need[piece] ?? 0) & short) === 0) continue;
            isNeeded = true;
            needers.add(node);
          }
          if (isNeeded) unsafePieces += 1;
        }
      }
      return {
        mayLeave: unsafePieces === 0 && unheard.length === 0,
        unsafePieces,
        needers: [...needers],
        unheard,
        isAskingAnew: neededPacks().some((pack) => !asked.includes(pack)),
      };
    },
  };
}

/** Chunks of the piece that at least so many hold. */
function heldBy(haves: readonly PieceMasks[], piece: number, count: number): number {
  // atLeast[k]: held by more than k
  const atLeast = Array.from({ length: count }, () => 0);
  for (const have of haves) {
    let mask = have[piece] ?? 0;
    for (let k = 0; k < count && mask !== 0; k += 1) {
      const before = atLeast[k] ?? 0;
      atLeast[k] = before | mask;
      mask &= before;
    }
  }
  return atLeast[count - 1] ?? 0;
}
