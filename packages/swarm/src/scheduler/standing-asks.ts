import type { AskEntry } from './fetch-events.ts';
import { emptyMasks, isEmptyMasks } from './piece-masks.ts';
import { memberKey, pieceScore } from './rendezvous.ts';
import type { SchedulerPeer, StandingAsk } from './scheduler-peer.ts';
import { watchFrom } from './scheduler-state.ts';
import type { PackState, SchedulerState } from './scheduler-state.ts';

/** An ask that says nothing new is not repeated at once. */
const EMPTY_ASK_PAUSE_MS = 50;
/** Answers that may be arriving from one seeder while another ask is out. */
const MAX_ANSWERED = 2;
const MAX_FAILURE_PAUSE_MS = 10_000;
/** A seeder that failed so often in a row does not keep others from helping. */
const MAX_FAILURES = 2;

/**
 * Keeps one standing ask with each seeder while something is needed that nobody shows. With several seeders each open piece is asked of
 * the one that rendezvous hashing names, so that two of them do not give it twice.
 */
export function placeAsks(state: SchedulerState): void {
  if (state.totals.unmet === 0) return;
  for (const seeder of state.seeders) {
    if (!mayAskAgain(seeder) || seeder.seeder.notBeforeMs > state.nowMs) continue;
    const entries = entriesFor(state, seeder);
    if (entries.every((entry) => isEmptyMasks(entry.need))) {
      seeder.seeder.notBeforeMs = state.nowMs + EMPTY_ASK_PAUSE_MS;
      continue;
    }
    const ask: StandingAsk = {
      request: state.nextRequest,
      seeder,
      askedAtMs: state.nowMs,
      progressAtMs: state.nowMs,
    };
    state.nextRequest += 1;
    seeder.seeder.ask = ask;
    watchFrom(state, state.nowMs + state.options.askStallMs);
    state.actions.push({ kind: 'ask', request: ask.request, seeder: seeder.id, entries });
  }
}

/** A new ask goes out as soon as the last one's answer begins to arrive: where the seeder is much faster than a host, the way to and fro is half of the time. */
export function mayAskAgain({ seeder }: SchedulerPeer): boolean {
  return !seeder.ask && seeder.answered.size < MAX_ANSWERED;
}

/** All that is out to a seeder. */
export function asksOf({ seeder }: SchedulerPeer): StandingAsk[] {
  return seeder.ask ? [seeder.ask, ...seeder.answered] : [...seeder.answered];
}

/** Its answer arrives. */
export function noteBytes(state: SchedulerState, ask: StandingAsk): void {
  ask.progressAtMs = state.nowMs;
  const { seeder } = ask.seeder;
  if (seeder.ask !== ask) return;
  seeder.ask = undefined;
  seeder.answered.add(ask);
}

/** It is over, one way or another. */
export function endAsk({ seeder }: SchedulerPeer, ask: StandingAsk): void {
  if (seeder.ask === ask) seeder.ask = undefined;
  seeder.answered.delete(ask);
}

/** New wants must not wait until an ask that was made without them comes back empty. One that is being answered stays. */
export function renewAsks(state: SchedulerState): void {
  for (const { seeder } of state.seeders) {
    const { ask } = seeder;
    if (!ask || ask.askedAtMs === state.nowMs) continue;
    state.actions.push({ kind: 'cancel', request: ask.request });
    seeder.ask = undefined;
    seeder.notBeforeMs = state.nowMs;
  }
}

export function watchAsks(state: SchedulerState): void {
  for (const peer of state.seeders) {
    for (const ask of asksOf(peer)) {
      if (state.nowMs - ask.progressAtMs < state.options.askStallMs) continue;
      state.actions.push({ kind: 'cancel', request: ask.request });
      askFailed(state, ask);
    }
  }
}

export function askFailed(state: SchedulerState, ask: StandingAsk): void {
  const { seeder } = ask.seeder;
  endAsk(ask.seeder, ask);
  seeder.failures += 1;
  const pauseMs = Math.min(MAX_FAILURE_PAUSE_MS, 250 * 2 ** seeder.failures);
  seeder.notBeforeMs = state.nowMs + pauseMs * (0.5 + state.random.next());
}

/** Whether the seeder can be counted on at all: it answers, and does not put this node off for ever. */
export function isResponsive(state: SchedulerState, peer: SchedulerPeer): boolean {
  const { failures, fruitlessSinceMs = state.nowMs } = peer.seeder;
  return (
    peer.role === 'seeder' && failures < MAX_FAILURES && state.nowMs - fruitlessSinceMs < state.options.fruitlessMs
  );
}

/**
 * Chunks of the piece that some responsive seeder may hold. One that has not spoken of the pack may hold everything.
 */
export function seededMask(state: SchedulerState, pack: PackState, piece: number): number {
  let mask = 0;
  for (const peer of state.seeders) {
    if (isResponsive(state, peer)) mask |= 0xffff & ~(peer.seeder.lacks.get(pack.wanted.descriptor.id)?.[piece] ?? 0);
  }
  return mask;
}

/** Packs with something to ask for first; the others only prove what arrived. */
function entriesFor(state: SchedulerState, seeder: SchedulerPeer): AskEntry[] {
  const rivals = [...state.seeders].filter((peer) => peer !== seeder && isResponsive(state, peer));
  const packs = [...state.packs.values()].sort((a, b) => Number(b.wanted.unmet > 0) - Number(a.wanted.unmet > 0));
  return packs.slice(0, state.options.maxAskPacks).map(({ wanted }) => {
    const pack = wanted.descriptor.id;
    const need = emptyMasks(wanted.need.length);
    if (wanted.unmet > 0) {
      const ownKey = memberKey(seeder.id, pack);
      const others = rivals.map((peer) => ({ key: memberKey(peer.id, pack), lacks: peer.seeder.lacks.get(pack) }));
      for (let piece = 0; piece < need.length; piece += 1) {
        let mask = wanted.unmetMask(piece);
        if (mask === 0) continue;
        const own = pieceScore(ownKey, piece);
        for (const other of others) if (pieceScore(other.key, piece) > own) mask &= other.lacks?.[piece] ?? 0;
        need[piece] = mask;
      }
    }
    return { pack, need, have: wanted.have.slice() };
  });
}
