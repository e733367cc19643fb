import type { PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import type { RegiveReason } from './ledger-events.ts';
import { emptyMasks, isEmptyMasks } from './piece-masks.ts';
import type { PieceMasks } from './piece-masks.ts';

/** Chunks of a piece that are on their way to an asker, or have left and were not shown yet. */
export interface Gift {
  readonly ask: number;
  readonly holder: PeerId;
  readonly piece: number;
  readonly mask: number;
  readonly givenAtMs: number;
  /** When its last byte left. */
  sentAtMs: number | undefined;
  /** Its holder has asked for more since, and did not show it. */
  isMissed: boolean;
}

const SILENT_FACTOR = 4;

export interface AskerWant {
  /** As last asked. */
  readonly need: PieceMasks;
  readonly have: PieceMasks;
  readonly isWanting: boolean;
  /** Pieces of which it needs something that somebody was given or has, and since when in every one of its asks. */
  readonly deniedSinceMs: ReadonlyMap<number, number>;
}

export interface WantNews {
  readonly tookMs: readonly number[];
  readonly hasGained: boolean;
}

/** The ledger's page for one pack: what is ours to give, what was given to whom, and who has shown it since. */
export class LedgerPack {
  readonly id: PackId;
  ours: PieceMasks;
  /** None of it is kept compressed: it may be given in parts. */
  isPlain = false;
  /** Given and not shown yet. */
  readonly given: PieceMasks;
  /** Given at some time, and shown by an asker that is still there. */
  readonly held: PieceMasks;
  /** Given at some time. */
  readonly ever: PieceMasks;
  readonly #wants = new Map<PeerId, AskerWant>();
  /** How many askers want something of it: the more, the sooner it is given. */
  askers = 0;
  readonly #gifts = new Map<number, Gift[]>();
  /** When each piece last left, or was last shown. */
  readonly #settledAtMs: Float64Array;
  readonly #losses = new Map<number, RegiveReason>();

  constructor(id: PackId, pieceCount: number) {
    this.id = id;
    this.ours = emptyMasks(pieceCount);
    this.given = emptyMasks(pieceCount);
    this.held = emptyMasks(pieceCount);
    this.ever = emptyMasks(pieceCount);
    this.#settledAtMs = new Float64Array(pieceCount).fill(-Infinity);
  }

  /** Of `need`, what can be given and nobody was given or has. */
  fresh(piece: number, need: number): number {
    return need & (this.ours[piece] ?? 0) & ~(this.given[piece] ?? 0) & ~(this.held[piece] ?? 0);
  }

  /**
   * Of `need`, what somebody should have had for `afterMs` by now, and that is asked for all the same. A holder that has not asked for
   * more since may still be busy with it, and gets longer.
   */
  overdue(piece: number, need: number, nowMs: number, afterMs: number): number {
    if (nowMs - (this.#settledAtMs[piece] ?? 0) < afterMs) return 0;
    for (const { sentAtMs, isMissed } of this.#gifts.get(piece) ?? []) {
      if (sentAtMs === undefined || (!isMissed && nowMs - sentAtMs < SILENT_FACTOR * afterMs)) return 0;
    }
    return need & (this.ours[piece] ?? 0) & ((this.given[piece] ?? 0) | (this.held[piece] ?? 0));
  }

  /** What all that currently ask need of a piece. */
  wanted(piece: number): number {
    let mask = 0;
    for (const want of this.#wants.values()) if (want.isWanting) mask |= want.need[piece] ?? 0;
    return mask;
  }

  wantOf(asker: PeerId): AskerWant | undefined {
    return this.#wants.get(asker);
  }

  /**
   * What an asker says that it needs and has. Gifts that it shows are settled, and of what was ever given that counts as held which it
   * has, as long as it is there. Returns how long ago the gifts that it shows for the first time were sent, and whether it has got something
   * from others, asked for here or not: on a slow link what it asked for has long been shown when it arrives.
   */
  setWant(asker: PeerId, need: PieceMasks, have: PieceMasks, nowMs: number): WantNews {
    const tookMs: number[] = [];
    const before = this.#wants.get(asker);
    const gifts = this.giftsTo(asker);
    const fromUs = emptyMasks(have.length);
    for (const { piece, mask } of gifts) fromUs[piece] = (fromUs[piece] ?? 0) | mask;
    const hasGained = have.some(
      (mask, piece) => before !== undefined && (mask & ~(before.have[piece] ?? 0) & ~(fromUs[piece] ?? 0)) !== 0,
    );
    const isWanting = !isEmptyMasks(need);
    this.askers += Number(isWanting) - Number(before?.isWanting ?? false);
    for (const gift of gifts) {
      if (gift.sentAtMs === undefined) continue;
      if ((gift.mask & ~(have[gift.piece] ?? 0)) !== 0) {
        gift.isMissed = true;
        continue;
      }
      tookMs.push(nowMs - gift.sentAtMs);
      this.#settledAtMs[gift.piece] = nowMs;
      this.#drop(gift);
    }
    for (let piece = 0; piece < have.length; piece += 1) {
      this.held[piece] = (this.held[piece] ?? 0) | ((have[piece] ?? 0) & (this.ever[piece] ?? 0));
    }
    const deniedSinceMs = new Map<number, number>();
    for (let piece = 0; isWanting && piece < need.length; piece += 1) {
      const denied = (need[piece] ?? 0) & ((this.given[piece] ?? 0) | (this.held[piece] ?? 0));
      if (denied !== 0) deniedSinceMs.set(piece, before?.deniedSinceMs.get(piece) ?? nowMs);
    }
    this.#wants.set(asker, { need, have, isWanting, deniedSinceMs });
    return { tookMs, hasGained };
  }

  /** It needs nothing more of the pack; what it has still counts. */
  endWant(asker: PeerId): void {
    const want = this.#wants.get(asker);
    if (!want?.isWanting) return;
    this.askers -= 1;
    this.#wants.set(asker, { ...want, isWanting: false });
  }

  /** Returns why, if some of it had been given before. */
  give(gift: Gift, nowMs: number): RegiveReason | undefined {
    const { piece, mask } = gift;
    const isAgain = ((this.ever[piece] ?? 0) & mask) !== 0;
    const reason = isAgain ? (this.#losses.get(piece) ?? this.#whyOverdue(piece, mask)) : undefined;
    this.#losses.delete(piece);
    // What was given before and is given again has a new holder; the old ones need prove nothing any more.
    const others = (this.#gifts.get(piece) ?? []).filter((other) => (other.mask & ~mask) !== 0);
    this.#gifts.set(piece, [...others, gift]);
    this.ever[piece] = (this.ever[piece] ?? 0) | mask;
    this.given[piece] = (this.given[piece] ?? 0) | mask;
    this.#settledAtMs[piece] = nowMs;
    return reason;
  }

  sent(gift: Gift, nowMs: number): void {
    gift.sentAtMs = nowMs;
    this.#settledAtMs[gift.piece] = nowMs;
  }

  /** The gift is void: its chunks can be given to somebody else. */
  lose(gift: Gift, reason: RegiveReason): void {
    if (!this.#gifts.get(gift.piece)?.includes(gift)) return;
    this.#drop(gift);
    this.#losses.set(gift.piece, reason);
  }

  giftsTo(holder: PeerId): Gift[] {
    const found: Gift[] = [];
    for (const gifts of this.#gifts.values()) for (const gift of gifts) if (gift.holder === holder) found.push(gift);
    return found;
  }

  /** Forgets what an asker wanted and had. */
  removeAsker(asker: PeerId, reason: RegiveReason): void {
    const want = this.#wants.get(asker);
    if (!want) return;
    this.endWant(asker);
    this.#wants.delete(asker);
    for (let piece = 0; piece < this.held.length; piece += 1) {
      if (((this.held[piece] ?? 0) & (want.have[piece] ?? 0)) === 0) continue;
      let held = 0;
      for (const other of this.#wants.values()) held |= other.have[piece] ?? 0;
      held &= this.ever[piece] ?? 0;
      if (held !== this.held[piece]) this.#losses.set(piece, reason);
      this.held[piece] = held;
    }
  }

  #whyOverdue(piece: number, mask: number): RegiveReason {
    if (((this.given[piece] ?? 0) & mask) !== 0) return 'unshown';
    return ((this.held[piece] ?? 0) & mask) !== 0 ? 'unserved' : 'holderGone';
  }

  #drop(gift: Gift): void {
    const { piece } = gift;
    const gifts = (this.#gifts.get(piece) ?? []).filter((other) => other !== gift);
    if (gifts.length === 0) this.#gifts.delete(piece);
    else this.#gifts.set(piece, gifts);
    this.given[piece] = gifts.reduce((given, other) => given | other.mask, 0);
  }
}
