import type { PeerId } from '../ports/network.ts';
import type { CrossingState } from './crossing-state.ts';
import { memberKey, pieceScore } from './rendezvous.ts';
import type { PackState, SchedulerState } from './scheduler-state.ts';
import type { Crossing, WantedPack } from './wanted-pack.ts';

/** How often it is looked whose turn has come. Between looks a decision costs nothing more than without zones. */
const LOOK_MS = 100;
/** With more mates each has less to fetch from outside, but no less than this part of the window: their pieces come from afar. */
const MAX_FAR_SHARES = 4;

/**
 * Who of a zone fetches a piece from outside that no zone mate shows: the one that rendezvous hashing ranks first among those known to want the
 * pack, so that it crosses the zone's link once. The others wait until it appears near them, but not for ever: rank r fetches it when nobody
 * before it has let a piece of its own be seen for r × patience, and after r × crossSkipMs whatever was seen, for the leader may not need this
 * one or know nobody who has it. Preference without a leader brought 3 to 5 copies into each rack (scheduling: scenario 7).
 */
export function planCrossings(state: SchedulerState): void {
  for (const { wanted, crossing } of state.packs.values()) {
    if (!crossing || crossing.lookAtMs > state.nowMs) continue;
    crossing.lookAtMs = state.nowMs + LOOK_MS;
    look(state, wanted, crossing);
  }
}

function look(state: SchedulerState, wanted: WantedPack, crossing: CrossingState): void {
  const { nowMs, zone, options } = state;
  const patienceMs = rankMs(state);
  const roomForMs = nowMs - (zone.roomSinceMs ?? nowMs);
  for (let piece = 0; piece < wanted.need.length; piece += 1) {
    const rank = crossing.ranks[piece] ?? 0;
    let next: Crossing = rank === 0 ? 1 : 0;
    const near = wanted.open(piece) & (wanted.nearShown[piece] ?? 0);
    const far = wanted.farMask(piece);
    if ((near | far) === 0) crossing.sinceMs[piece] = Infinity;
    else {
      if (crossing.sinceMs[piece] === Infinity) crossing.sinceMs[piece] = nowMs;
      const sinceMs = crossing.sinceMs[piece] ?? nowMs;
      if (next === 0 && far !== 0 && isOurTurn(state, crossing, piece, sinceMs, patienceMs)) next = 1;
      const isSlow = roomForMs >= options.slowMatesMs && nowMs >= sinceMs + options.slowMatesMs + rank * patienceMs;
      if (near !== 0 && isSlow) next = 2;
    }
    if (next !== wanted.crossings[piece]) wanted.setCrossing(piece, next);
  }
}

function isOurTurn(
  state: SchedulerState,
  crossing: CrossingState,
  piece: number,
  sinceMs: number,
  patienceMs: number,
): boolean {
  const own = pieceScore(crossing.ownKey, piece);
  let rank = 0;
  let lastSeenMs = sinceMs;
  for (const [id, key] of crossing.mates) {
    // A mate that stalls is passed over at once, as one that has gone.
    if (pieceScore(key, piece) <= own || state.peers.get(id)?.parkedUntilMs !== undefined) continue;
    rank += 1;
    lastSeenMs = Math.max(lastSeenMs, state.zone.aliveAtMs.get(id) ?? 0);
  }
  return state.nowMs >= Math.min(lastSeenMs + rank * patienceMs, sinceMs + rank * state.options.crossSkipMs);
}

function rankMs(state: SchedulerState): number {
  return Math.max(state.options.crossRankMs, 4 * state.zone.pieceTimeMs.mean);
}

/** The members of this zone that want the pack now, without this node. */
export function setMates(state: SchedulerState, pack: PackState, near: readonly PeerId[]): void {
  if (near.length === 0 && !pack.crossing) return;
  const crossing = crossingOf(state, pack);
  const wanted = new Set(near);
  for (const id of crossing.mates.keys()) if (!wanted.has(id)) removeMate(crossing, id);
  for (const id of wanted) {
    if (crossing.mates.has(id)) continue;
    const key = memberKey(id, pack.wanted.descriptor.id);
    crossing.mates.set(id, key);
    rerank(crossing, key, 1);
  }
}

/** A member whose connection broke fetches nothing for its zone, as far as this node can know. */
export function losePeerAsMate(state: SchedulerState, id: PeerId): void {
  state.zone.aliveAtMs.delete(id);
  for (const { crossing } of state.packs.values()) if (crossing) removeMate(crossing, id);
}

function removeMate(crossing: CrossingState, id: PeerId): void {
  const key = crossing.mates.get(id);
  if (key === undefined) return;
  crossing.mates.delete(id);
  rerank(crossing, key, -1);
}

function rerank(crossing: CrossingState, key: number, step: 1 | -1): void {
  const { ranks, ownKey } = crossing;
  for (let piece = 0; piece < ranks.length; piece += 1) {
    if (pieceScore(key, piece) > pieceScore(ownKey, piece)) ranks[piece] = (ranks[piece] ?? 0) + step;
  }
  crossing.lookAtMs = 0;
}

/** What a near peer shows first of all near ones: the leaders of these pieces are alive, and fetch. */
export function noteNear(state: SchedulerState, pack: PackState, peer: PeerId): void {
  const pieces = pack.wanted.takeNearFresh();
  if (pieces.length === 0) return;
  const crossing = crossingOf(state, pack);
  for (const piece of pieces) {
    const leader = leaderOf(crossing, piece);
    // One that is connected is believed when it shows the piece itself: others may have been given it.
    if (leader === undefined || (leader !== peer && state.peers.has(leader))) continue;
    state.zone.aliveAtMs.set(leader, state.nowMs);
  }
}

function leaderOf(crossing: CrossingState, piece: number): PeerId | undefined {
  let leader: PeerId | undefined;
  let best = pieceScore(crossing.ownKey, piece);
  for (const [id, key] of crossing.mates) {
    const score = pieceScore(key, piece);
    if (score > best) [leader, best] = [id, score];
  }
  return leader;
}

function crossingOf(state: SchedulerState, pack: PackState): CrossingState {
  const { id, pieceCount } = pack.wanted.descriptor;
  pack.crossing ??= {
    mates: new Map(),
    ownKey: memberKey(state.self, id),
    ranks: new Uint16Array(pieceCount),
    sinceMs: new Float64Array(pieceCount).fill(Infinity),
    lookAtMs: 0,
  };
  return pack.crossing;
}

/** Requests to peers of other zones that may be made now; without zone mates that fetch the same there is no bound of its own. */
export function roomForFar(state: SchedulerState): number {
  let mates = 0;
  for (const { crossing } of state.packs.values()) if (crossing) mates = Math.max(mates, crossing.mates.size);
  if (mates === 0) return Infinity;
  let used = 0;
  for (const { peer, source, isHedge, isLanding } of state.flights.all.values()) {
    if (source === 'peer' && !isHedge && !isLanding && peer?.isNear === false) used += 1;
  }
  const { minFarWindow } = state.options;
  const { window } = state.pace.slots;
  return Math.max(minFarWindow, Math.ceil(window / Math.min(MAX_FAR_SHARES, mates + 1))) - used;
}

/** After the window was filled: whether it still has room. */
export function noteRoom(state: SchedulerState, hasRoom: boolean): void {
  const { zone } = state;
  if (!hasRoom) zone.roomSinceMs = undefined;
  else zone.roomSinceMs ??= state.nowMs;
}
