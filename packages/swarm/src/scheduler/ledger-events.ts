import type { PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import type { AskEntry, PackMasks } from './fetch-events.ts';
import type { PieceMasks } from './piece-masks.ts';

/** Why chunks left the seeder more than once. Each is counted: bytes that cross the store's link again must be explained. */
export type RegiveReason =
  /** The answer did not get through. */
  | 'sendFailed'
  /** Whoever had it has gone. */
  | 'holderGone'
  /** Whoever was given it never showed it. */
  | 'unshown'
  /** Its holder shows it, but others still ask for it: it lies, or cannot be reached. */
  | 'unserved'
  /** Several askers say that its holder sends bytes without their digests. */
  | 'distrusted';

/** `ask` is a number that the caller chose and never uses again. */
export type LedgerEvent =
  /** What this seeder can give of a pack, from now on. `isPlain`: nothing of it is compressed, so that it may be given in parts; default: as said before, or not. */
  | {
      readonly kind: 'holds';
      readonly pack: PackId;
      readonly masks: PieceMasks;
      readonly isPlain?: boolean | undefined;
    }
  /** A standing ask. `isLacking`: it also names packs that this seeder does not know. */
  | {
      readonly kind: 'ask';
      readonly ask: number;
      readonly asker: PeerId;
      readonly entries: readonly AskEntry[];
      readonly isLacking: boolean;
      /** Peers that lied to this asker. */
      readonly distrusts: readonly PeerId[];
    }
  /** A plain request for a piece, which receivers make of a seeder only when all else failed. */
  | {
      readonly kind: 'plain';
      readonly ask: number;
      readonly asker: PeerId;
      readonly pack: PackId;
      readonly piece: number;
      readonly mask: number;
    }
  /** The asker has left or withdrawn the ask. */
  | { readonly kind: 'askEnded'; readonly ask: number }
  /** What was given has left completely, or has not. */
  | { readonly kind: 'sent'; readonly ask: number }
  | { readonly kind: 'sendFailed'; readonly ask: number }
  | { readonly kind: 'peerGone'; readonly peer: PeerId }
  | { readonly kind: 'tick' };

export type LedgerAction =
  | {
      readonly kind: 'give';
      readonly ask: number;
      readonly pack: PackId;
      readonly piece: number;
      readonly mask: number;
      /** Set when some of it had been given before. */
      readonly regive: RegiveReason | undefined;
    }
  /** Nothing for this asker now; of its need this seeder does not hold `lacking`. */
  | { readonly kind: 'dry'; readonly ask: number; readonly lacking: readonly PackMasks[] }
  /** All slots are taken; the asker's place is kept, with `ahead` asks before it. */
  | { readonly kind: 'wait'; readonly ask: number; readonly ahead: number };

export interface LedgerOptions {
  /** Pieces on their way to askers at once: between these, as many as fill the link (seeder-slots.ts). Each holds a piece in memory. */
  readonly minSlots: number;
  readonly maxSlots: number;
  /** On slow links a piece that is not compressed is given in parts, of no fewer chunks: 1, 2, 4, 8 or 16. */
  readonly minPartChunks: number;
  /** How long an ask is held before it is answered with nothing. */
  readonly longPollMs: number;
  /** A piece that is still asked for this long after it left is given again. */
  readonly regiveAfterMs: number;
  /** The wants of an asker that has been silent for this long do not count any more. */
  readonly forgetAskMs: number;
  /** Whom at least two askers and this part of all call a liar gets nothing, and what it was given is given again. */
  readonly distrustFraction: number;
}

export const ledgerDefaults: LedgerOptions = Object.freeze({
  minSlots: 16,
  maxSlots: 320,
  // One: 0.01 to 0.04 of the bound less than two for 32 MiB at 20 Mbit/s (20 and 40 hosts). Hosts ask each other for two all the same, where two are shown.
  minPartChunks: 1,
  longPollMs: 1500,
  regiveAfterMs: 5000,
  forgetAskMs: 10_000,
  // More than the liars that are to be survived (a tenth), or they could call honest nodes liars.
  distrustFraction: 0.2,
});

export interface LedgerStatus {
  readonly askers: number;
  readonly waiting: number;
  readonly serving: number;
  /** How many it would serve at once now. */
  readonly slots: number;
  readonly distrusted: readonly PeerId[];
  readonly gives: number;
  readonly regives: Readonly<Record<RegiveReason, number>>;
}
