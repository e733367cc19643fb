import type { PackMasks } from './fetch-events.ts';
import type { LedgerEvent } from './ledger-events.ts';
import type { Gift, LedgerPack } from './ledger-pack.ts';
import type { Asker, LedgerState, Waiting } from './ledger-state.ts';
import { partOf } from './piece-grain.ts';
import { isEmptyMasks } from './piece-masks.ts';

/** First come, first served; who could be given nothing at this version of the ledger is passed over. */
export function serveWaiting(state: LedgerState): void {
  if (state.serving.size >= state.slots.count) return;
  const inOrder = [...state.waiting.values()].sort((a, b) => a.place - b.place);
  for (const waiting of inOrder) {
    if (state.serving.size >= state.slots.count) return;
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
export function choose(state: LedgerState, waiting: Waiting): GiveChoice | undefined {
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
      const own = pack.fresh(piece, need[piece] ?? 0);
      if (own === 0) continue;
      const fresh = pack.fresh(piece, pack.wanted(piece));
      return { pack, piece, mask: pack.isPlain ? partOf(fresh, state.giftGrain.chunks, own) : fresh };
    }
  }
  return undefined;
}

export function give(
  state: LedgerState,
  ask: number,
  asker: Asker,
  pack: LedgerPack,
  piece: number,
  mask: number,
): void {
  const gift: Gift = {
    ask,
    holder: asker.id,
    piece,
    mask,
    givenAtMs: state.nowMs,
    sentAtMs: undefined,
    isMissed: false,
  };
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
export function answerLate(state: LedgerState): void {
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

export function answerDry(state: LedgerState, waiting: Waiting, lacking: readonly PackMasks[]): void {
  state.waiting.delete(waiting.ask);
  waiting.asker.place = undefined;
  state.actions.push({ kind: 'dry', ask: waiting.ask, lacking });
}

export function lackingOf(state: LedgerState, event: LedgerEvent & { readonly kind: 'ask' }): PackMasks[] {
  return event.entries.flatMap(({ pack: id, need }) => {
    const pack = state.packs.get(id);
    const masks = pack ? need.map((mask, piece) => mask & ~(pack.ours[piece] ?? 0)) : need;
    return isEmptyMasks(masks) ? [] : [{ pack: id, masks }];
  });
}
