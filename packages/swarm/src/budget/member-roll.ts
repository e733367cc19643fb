import type { PeerId } from '../ports/network.ts';
import { pieceScore, textKey } from '../scheduler/rendezvous.ts';

/**
 * Who may hold a share of the budget. Not only who is there: of two halves of a cluster that do not see each other each must still count the
 * other, so whoever vanished without a word counts for some minutes, and whoever said goodbye until nobody can hold anything of his. Pure.
 */
export interface MemberRoll {
  /** Who is there now, without this node. */
  update(present: Iterable<PeerId>, nowMs: number): void;
  saidGoodbye(peer: PeerId, nowMs: number): void;
  /** How many count, this node included, and how many of them rank before it. */
  standing(nowMs: number): { readonly count: number; readonly rank: number };
  /** When the standing changes by itself. */
  wakeAtMs(): number | undefined;
}

export interface MemberRollOptions {
  readonly vanishedMs: number;
  /** Longer than any promise of a share lasts. */
  readonly goodbyeMs: number;
}

export const memberRollDefaults: MemberRollOptions = Object.freeze({ vanishedMs: 300_000, goodbyeMs: 60_000 });

export function createMemberRoll(self: PeerId, chosen: Partial<MemberRollOptions> = {}): MemberRoll {
  const options = { ...memberRollDefaults, ...chosen };
  /** Until when each counts. */
  const untilMs = new Map<PeerId, number>();
  const saidGoodbye = new Map<PeerId, number>();
  const ownScore = scoreOf(self);
  return {
    update(present, nowMs) {
      const here = new Set(present);
      for (const peer of here) untilMs.set(peer, Infinity);
      for (const [peer, until] of untilMs) {
        if (until !== Infinity || here.has(peer)) continue;
        const saidAtMs = saidGoodbye.get(peer);
        untilMs.set(peer, saidAtMs === undefined ? nowMs + options.vanishedMs : saidAtMs + options.goodbyeMs);
      }
      saidGoodbye.clear();
    },
    saidGoodbye: (peer, nowMs) => void saidGoodbye.set(peer, nowMs),
    standing(nowMs) {
      let rank = 0;
      for (const [peer, until] of untilMs) {
        if (until <= nowMs) untilMs.delete(peer);
        else if (scoreOf(peer) > ownScore || (scoreOf(peer) === ownScore && peer > self)) rank += 1;
      }
      return { count: untilMs.size + 1, rank };
    },
    wakeAtMs() {
      let wakeMs = Infinity;
      for (const until of untilMs.values()) wakeMs = Math.min(wakeMs, until);
      return wakeMs === Infinity ? undefined : wakeMs;
    },
  };
}

/** Grantors, best first: connected seeders before all other members, each by rendezvous; this node last, whatever its rank, if it is not first. */
export function rankGrantors(
  self: PeerId,
  candidates: { readonly seeders: readonly PeerId[]; readonly members: readonly PeerId[] },
  count = 2,
): PeerId[] {
  const pool = candidates.seeders.length > 0 ? candidates.seeders : candidates.members;
  const best = [...new Set(pool)].sort((a, b) => scoreOf(b) - scoreOf(a) || (a < b ? 1 : -1)).slice(0, count);
  const own = best.indexOf(self);
  return own >= 0 ? best.slice(0, own + 1) : [...best, self];
}

function scoreOf(peer: PeerId): number {
  return pieceScore(textKey(`budget/${peer}`), 0);
}
