import type { PackId } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import type { PackMasks } from './fetch-events.ts';
import { ledgerDefaults } from './ledger-events.ts';
import type { LedgerAction, LedgerEvent, LedgerOptions, LedgerStatus, RegiveReason } from './ledger-events.ts';
import { LedgerPack } from './ledger-pack.ts';
import type { Gift } from './ledger-pack.ts';
import { isEmptyMasks } from './piece-masks.ts';
import { createSmoothed } from './smoothed.ts';
import type { Smoothed } from './smoothed.ts';

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

const NOBODY: ReadonlySet<PeerId> = new Set();
/** One voice is not enough. */
const MIN_ACCUSERS = 2;

interface Asker {
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

interface Waiting {
  readonly ask: number;
  readonly asker: Asker;
  readonly event: LedgerEvent & { readonly kind: 'ask' };
  readonly place: number;
  readonly sinceMs: number;
  /** The ledger's version at which nothing was found for it. */
  checkedAt: number;
}

interface LedgerState {
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
  /** From a gift's last byte until its holder shows it: longer where hosts are busy, and then everything must wait longer. */
  readonly showTimeMs: Smoothed;
  gives: number;
  readonly regives: Record<RegiveReason, number>;
}

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
    showTimeMs: createSmoothed(0),
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
      if (mask === 0 || state.serving.size >= state.options.slots) continue;
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
  if (free !== mask || state.serving.size >= state.options.slots) {
    state.actions.push({ kind: 'wait', ask, ahead: state.waiting.size });
    return;
  }
  give(state, ask, askerFor(state, event.asker), pack, piece, mask);
}

/** First come, first served; who could be given nothing at this version of the ledger is passed over. */
function serveWaiting(state: LedgerState): void {
  if (state.serving.size >= state.options.slots) return;
  const inOrder = [...state.waiting.values()].sort((a, b) => a.place - b.place);
  for (const waiting of inOrder) {
    if (state.serving.size >= state.options.slots) return;
    if (waiting.checkedAt === state.version) continue;
    const choice = choose(state, waiting);
    if (choice) give(state, waiting.ask, waiting.asker, choice.pack, choice.piece, choice.mask);
    else waiting.checkedAt = state.version;
  }
}

interface GiveChoice {
  readonly pack: LedgerPack;
  readonly piece: number;
  readonly mask: number;
}

/** A random piece of the pack that most askers want; all of it that anybody wants, so that it leaves in one go. */
function choose(state: LedgerState, waiting: Waiting): GiveChoice | undefined {
  const packs = waiting.event.entries
    .flatMap(({ pack: id, need }) => {
      const pack = state.packs.get(id);
      return pack?.wantOf(waiting.asker.id) ? [{ pack, need, tie: state.random.next() }] : [];
    })
    .sort((a, b) => b.pack.askers - a.pack.askers || a.tie - b.tie);
  for (const { pack, need } of packs) {
    const count = need.length;
    const start = Math.floor(state.random.next() * count);
    for (let i = 0; i < count; i += 1) {
      const piece = (start + i) % count;
      if (pack.fresh(piece, need[piece] ?? 0) === 0) continue;
      return { pack, piece, mask: pack.fresh(piece, pack.wanted(piece)) };
    }
  }
  return undefined;
}

function give(state: LedgerState, ask: number, asker: Asker, pack: LedgerPack, piece: number, mask: number): void {
  const gift: Gift = { ask, holder: asker.id, piece, mask, sentAtMs: undefined, isMissed: false };
  const regive = pack.give(gift, state.nowMs);
  state.waiting.delete(ask);
  asker.place = undefined;
  asker.packs.add(pack);
  state.serving.set(ask, { pack, gift });
  state.gives += 1;
  if (regive !== undefined) state.regives[regive] += 1;
  state.actions.push({ kind: 'give', ask, pack: pack.id, piece, mask, regive });
}

/** Asks that have been held long enough: nobody waits in silence. */
function answerLate(state: LedgerState): void {
  for (const waiting of state.waiting.values()) {
    if (state.nowMs - waiting.sinceMs < state.options.longPollMs) continue;
    if (waiting.checkedAt === state.version) {
      answerDry(state, waiting, lackingOf(state, waiting.event));
      continue;
    }
    let ahead = 0;
    for (const other of state.waiting.values()) if (other.place < waiting.place) ahead += 1;
    state.waiting.delete(waiting.ask);
    state.actions.push({ kind: 'wait', ask: waiting.ask, ahead });
  }
}

function answerDry(state: LedgerState, waiting: Waiting, lacking: readonly PackMasks[]): void {
  state.waiting.delete(waiting.ask);
  waiting.asker.place = undefined;
  state.actions.push({ kind: 'dry', ask: waiting.ask, lacking });
}

function lackingOf(state: LedgerState, event: LedgerEvent & { readonly kind: 'ask' }): PackMasks[] {
  return event.entries.flatMap(({ pack: id, need }) => {
    const pack = state.packs.get(id);
    const masks = pack ? need.map((mask, piece) => mask & ~(pack.ours[piece] ?? 0)) : need;
    return isEmptyMasks(masks) ? [] : [{ pack: id, masks }];
  });
}

function endServing(state: LedgerState, ask: number, reason: RegiveReason): void {
  const served = state.serving.get(ask);
  if (!served) return;
  state.serving.delete(ask);
  served.pack.lose(served.gift, reason);
  state.version += 1;
}

/** What it was given and nobody else has shown is nobody's now. */
function removeAsker(state: LedgerState, id: PeerId, reason: RegiveReason): void {
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

/** The needs of who asks no more would make others carry chunks for nobody. */
function forgetSilent(state: LedgerState): void {
  for (const asker of state.askers.values()) {
    if (state.nowMs - asker.lastAskMs < state.options.forgetAskMs) continue;
    for (const pack of asker.packs) pack.endWant(asker.id);
  }
}

function askerFor(state: LedgerState, id: PeerId): Asker {
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
