import type { PackId } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import type { LedgerAction, LedgerEvent, LedgerOptions, RegiveReason } from './ledger-events.ts';
import type { Gift, LedgerPack } from './ledger-pack.ts';
import type { GiftGrain } from './gift-grain.ts';
import type { SeederSlots } from './seeder-slots.ts';
import type { Smoothed } from './smoothed.ts';

const NOBODY: ReadonlySet<PeerId> = new Set();
export interface Asker {
  readonly id: PeerId;
  readonly packs: Set<LedgerPack>;
  lastAskMs: number;
  /** When it last had something that it needed from others: until that ends, nothing need be given again. */
  lastGainMs: number;
  /** Its place in the queue while it waits for a slot, kept over repeated asks. */
  place: number | undefined;
  toldLackingAtMs: number;
  /** Whom it calls liars. */
  distrusts: ReadonlySet<PeerId>;
}

export interface Waiting {
  readonly ask: number;
  readonly asker: Asker;
  readonly event: LedgerEvent & { readonly kind: 'ask' };
  readonly place: number;
  readonly sinceMs: number;
  /** The ledger's version at which nothing was found for it. */
  checkedAt: number;
}

export interface LedgerState {
  readonly options: LedgerOptions;
  readonly random: Random;
  readonly packs: Map<PackId, LedgerPack>;
  readonly askers: Map<PeerId, Asker>;
  readonly distrusted: Set<PeerId>;
  readonly waiting: Map<number, Waiting>;
  readonly serving: Map<number, { readonly pack: LedgerPack; readonly gift: Gift }>;
  /** Grows whenever something can be given that could not before. */
  version: number;
  nextPlace: number;
  actions: LedgerAction[];
  nowMs: number;
  readonly slots: SeederSlots;
  readonly giftGrain: GiftGrain;
  /** From a gift's last byte until its holder shows it: longer where hosts are busy, and then everything must wait longer. */
  readonly showTimeMs: Smoothed;
  gives: number;
  readonly regives: Record<RegiveReason, number>;
}

/** The asker's page, new if it never asked before. */
export function askerFor(state: LedgerState, id: PeerId): Asker {
  let asker = state.askers.get(id);
  if (!asker) {
    asker = {
      id,
      packs: new Set(),
      lastAskMs: state.nowMs,
      lastGainMs: state.nowMs,
      place: undefined,
      toldLackingAtMs: -Infinity,
      distrusts: NOBODY,
    };
    state.askers.set(id, asker);
  }
  return asker;
}

/** What it was given and nobody else has shown is nobody's now. */
export function removeAsker(state: LedgerState, id: PeerId, reason: RegiveReason): void {
  const asker = state.askers.get(id);
  if (!asker) return;
  state.askers.delete(id);
  for (const [ask, waiting] of state.waiting) if (waiting.asker === asker) state.waiting.delete(ask);
  for (const pack of asker.packs) {
    for (const gift of pack.giftsTo(id)) {
      state.serving.delete(gift.ask);
      pack.lose(gift, reason);
    }
    pack.removeAsker(id, reason);
  }
  state.version += 1;
}
