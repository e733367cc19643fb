import type { Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { answerDry, answerLate, choose, give, lackingOf, serveWaiting } from './answer-asks.ts';
import { ledgerDefaults } from './ledger-events.ts';
import type { LedgerAction, LedgerEvent, LedgerOptions, LedgerStatus, RegiveReason } from './ledger-events.ts';
import { LedgerPack } from './ledger-pack.ts';
import { askerFor, removeAsker } from './ledger-state.ts';
import type { Asker, LedgerState, Waiting } from './ledger-state.ts';
import { bitCount } from './piece-masks.ts';
import { createGiftGrain } from './gift-grain.ts';
import { createSeederSlots } from './seeder-slots.ts';
import { createSmoothed } from './smoothed.ts';

/**
 * Super-seeding: each node keeps one ask standing, and the seeder answers it with a piece that it has given to nobody yet; from there on the
 * nodes have it from each other, and each byte crosses the store's link once. Packs that many ask for go first, since everybody waits for
 * those. What was given is given again only when its holder has gone, the answer did not get through, or the piece is still asked for long
 * after it left: each with its reason counted.
 */
export interface SeederLedger {
  handle(event: LedgerEvent, nowMs: number): readonly LedgerAction[];
  /** When a `tick` is due if nothing else happens before. */
  wakeAtMs(): number | undefined;
  status(): LedgerStatus;
}

/** One voice is not enough. */
const MIN_ACCUSERS = 2;

export function createSeederLedger(
  deps: { readonly random: Random },
  options: Partial<LedgerOptions> = {},
): SeederLedger {
  const state: LedgerState = {
    options: { ...ledgerDefaults, ...options },
    random: deps.random,
    packs: new Map(),
    askers: new Map(),
    distrusted: new Set(),
    waiting: new Map(),
    serving: new Map(),
    version: 0,
    nextPlace: 0,
    actions: [],
    nowMs: 0,
    slots: createSeederSlots({ ...ledgerDefaults, ...options }),
    showTimeMs: createSmoothed(0),
    giftGrain: createGiftGrain({ ...ledgerDefaults, ...options }.minPartChunks),
    gives: 0,
    regives: { sendFailed: 0, holderGone: 0, unshown: 0, unserved: 0, distrusted: 0 },
  };
  return {
    handle(event, nowMs) {
      state.nowMs = nowMs;
      state.actions = [];
      take(state, event);
      serveWaiting(state);
      answerLate(state);
      return state.actions;
    },
    wakeAtMs() {
      let wakeMs: number | undefined;
      for (const { sinceMs } of state.waiting.values()) {
        wakeMs = Math.min(wakeMs ?? Infinity, sinceMs + state.options.longPollMs);
      }
      return wakeMs;
    },
    status: () => ({
      askers: state.askers.size,
      waiting: state.waiting.size,
      serving: state.serving.size,
      slots: state.slots.count,
      distrusted: [...state.distrusted],
      gives: state.gives,
      regives: { ...state.regives },
    }),
  };
}

function take(state: LedgerState, event: LedgerEvent): void {
  switch (event.kind) {
    case 'holds': {
      const known = state.packs.get(event.pack);
      const pack = known ?? new LedgerPack(event.pack, event.masks.length);
      state.packs.set(event.pack, pack);
      pack.ours = event.masks;
      pack.isPlain = event.isPlain ?? pack.isPlain;
      state.version += 1;
      return;
    }
    case 'ask':
      takeAsk(state, event);
      return;
    case 'plain':
      takePlain(state, event);
      return;
    case 'askEnded':
      state.waiting.delete(event.ask);
      endServing(state, event.ask, 'sendFailed');
      return;
    case 'sent': {
      const served = state.serving.get(event.ask);
      state.serving.delete(event.ask);
      served?.pack.sent(served.gift, state.nowMs);
      if (served) state.giftGrain.sent(bitCount(served.gift.mask), state.nowMs - served.gift.givenAtMs);
      if (served) state.slots.sent(bitCount(served.gift.mask), isShort(state), state.nowMs);
      return;
    }
    case 'sendFailed':
      endServing(state, event.ask, 'sendFailed');
      return;
    case 'peerGone':
      removeAsker(state, event.peer, 'holderGone');
      return;
    case 'tick':
  }
}

/** Whether somebody waits for a slot, not for something to be given. */
function isShort(state: LedgerState): boolean {
  for (const waiting of state.waiting.values()) if (waiting.checkedAt !== state.version) return true;
  return false;
}

function takeAsk(state: LedgerState, event: LedgerEvent & { readonly kind: 'ask' }): void {
  if (state.distrusted.has(event.asker)) {
    state.actions.push({ kind: 'dry', ask: event.ask, lacking: [] });
    return;
  }
  const asker = askerFor(state, event.asker);
  takeAccusations(state, asker, event.distrusts);
  asker.lastAskMs = state.nowMs;
  forgetSilent(state);
  const named = new Set<LedgerPack>();
  for (const { pack: id, need, have } of event.entries) {
    const pack = state.packs.get(id);
    if (!pack || need.length !== pack.ours.length || have.length !== pack.ours.length) continue;
    named.add(pack);
    asker.packs.add(pack);
    const { tookMs, hasGained } = pack.setWant(asker.id, need, have, state.nowMs);
    for (const showMs of tookMs) state.showTimeMs.observe(showMs);
    if (hasGained) asker.lastGainMs = state.nowMs;
  }
  // A pack that it names no longer has arrived: what it had of it, it has, and it needs nothing.
  for (const pack of asker.packs) if (!named.has(pack)) pack.endWant(asker.id);
  for (const [ask, waiting] of state.waiting) {
    if (waiting.asker !== asker) continue;
    state.waiting.delete(ask);
    state.actions.push({ kind: 'dry', ask, lacking: [] });
  }
  asker.place ??= state.nextPlace++;
  const waiting: Waiting = {
    ask: event.ask,
    asker,
    event,
    place: asker.place,
    sinceMs: state.nowMs,
    checkedAt: -1,
  };
  state.waiting.set(event.ask, waiting);
  reclaimOverdue(state, asker, event);
  if (!state.waiting.has(event.ask)) return;
  const lacking = lackingOf(state, event);
  const isNews = state.nowMs - asker.toldLackingAtMs >= state.options.regiveAfterMs;
  if ((lacking.length > 0 || event.isLacking) && isNews && !choose(state, waiting)) {
    asker.toldLackingAtMs = state.nowMs;
    answerDry(state, waiting, lacking);
  }
}

/**
 * A liar is only found by those who ask it, so each asker names those it found. Whom enough of them name is given nothing more, and what it
 * was given is everybody's again: without this a tenth of liars would hold back a tenth of all pieces until the deadline.
 */
function takeAccusations(state: LedgerState, asker: Asker, distrusts: readonly PeerId[]): void {
  const isNews = distrusts.some((peer) => !asker.distrusts.has(peer));
  asker.distrusts = new Set(distrusts);
  if (!isNews) return;
  const enough = Math.max(MIN_ACCUSERS, Math.ceil(state.askers.size * state.options.distrustFraction));
  for (const accused of distrusts) {
    if (accused === asker.id || state.distrusted.has(accused)) continue;
    let accusers = 0;
    for (const other of state.askers.values()) if (other.distrusts.has(accused)) accusers += 1;
    if (accusers < enough) continue;
    state.distrusted.add(accused);
    removeAsker(state, accused, 'distrusted');
  }
}

function regiveAfterMs(state: LedgerState): number {
  return Math.max(state.options.regiveAfterMs, 4 * state.showTimeMs.mean);
}

/**
 * Chunks that somebody should have by now and that this asker still needs become giveable again, one piece for each ask. Not while the
 * asker gets what it needs from others, however slowly: hosts that are short of CPU must not make all of them turn to the store.
 */
function reclaimOverdue(state: LedgerState, asker: Asker, event: LedgerEvent & { readonly kind: 'ask' }): void {
  const waitMs = regiveAfterMs(state);
  if (state.nowMs - asker.lastGainMs < waitMs) return;
  for (const { pack: id, need } of event.entries) {
    const pack = state.packs.get(id);
    for (const [piece, sinceMs] of pack?.wantOf(asker.id)?.deniedSinceMs ?? []) {
      if (!pack || state.nowMs - sinceMs < waitMs) continue;
      const mask = pack.overdue(piece, need[piece] ?? 0, state.nowMs, waitMs);
      if (mask === 0 || state.serving.size >= state.slots.count) continue;
      give(state, event.ask, asker, pack, piece, mask);
      return;
    }
  }
}

function takePlain(state: LedgerState, event: LedgerEvent & { readonly kind: 'plain' }): void {
  const pack = state.packs.get(event.pack);
  const { ask, piece, mask } = event;
  const ours = mask & (pack?.ours[piece] ?? 0);
  if (!pack || ours !== mask || state.distrusted.has(event.asker)) {
    state.actions.push({ kind: 'dry', ask, lacking: [] });
    return;
  }
  const waitMs = regiveAfterMs(state);
  const isStuck = state.nowMs - (state.askers.get(event.asker)?.lastGainMs ?? -Infinity) >= waitMs;
  const free = pack.fresh(piece, mask) | (isStuck ? pack.overdue(piece, mask, state.nowMs, waitMs) : 0);
  if (free !== mask || state.serving.size >= state.slots.count) {
    state.actions.push({ kind: 'wait', ask, ahead: state.waiting.size });
    return;
  }
  give(state, ask, askerFor(state, event.asker), pack, piece, mask);
}

function endServing(state: LedgerState, ask: number, reason: RegiveReason): void {
  const served = state.serving.get(ask);
  if (!served) return;
  state.serving.delete(ask);
  served.pack.lose(served.gift, reason);
  state.version += 1;
}

/** The needs of who asks no more would make others carry chunks for nobody. */
function forgetSilent(state: LedgerState): void {
  for (const asker of state.askers.values()) {
    if (state.nowMs - asker.lastAskMs < state.options.forgetAskMs) continue;
    for (const pack of asker.packs) pack.endWant(asker.id);
  }
}
