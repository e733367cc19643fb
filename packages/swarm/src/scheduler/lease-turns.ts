import type { PeerId } from '../ports/network.ts';
import type { RunTurn } from './lease-state.ts';
import { memberKey, pieceScore } from './rendezvous.ts';
import type { PackState, SchedulerState } from './scheduler-state.ts';

/** Members before this node that are looked at one by one. Who has more before it waits for all of them anyway. */
const MAX_BEFORE = 16;
/** A pack has no more: it has at most 256 pieces. */
const MAX_RUNS = 256;

/**
 * Whether this node may read the run now. The first in line may at once, unless another is seen to read it. Rank r may when for r × patience nobody has
 * let a new piece of this run be seen, nor anybody before it one of the runs that are theirs: who still reads will come to this one too. Who has shown
 * a run that is later in the common order has passed this one over: what such a member shows is no reason to wait.
 */
export function isOurTurn(state: SchedulerState, pack: PackState, run: number): boolean {
  const { lease } = pack;
  const { nowMs } = state;
  const page = lease.runs[run];
  if (!page || page.notBeforeMs > nowMs) return false;
  const patience = patienceMs(state);
  if (nowMs - page.shownAtMs < patience) return false;
  const { rank, before } = turnOf(pack, run);
  if (rank === 0) return true;
  let quietSinceMs = Math.max(dueAtMs(state, pack, run), page.shownAtMs);
  if (before.length < rank) quietSinceMs = Math.max(quietSinceMs, state.lease.lastShownMs);
  for (const id of before) {
    const reader = state.lease.readers.get(id);
    if (!reader) continue;
    const isPast = reader.position > positionOf(pack, run);
    // Two runs that are read at once may show their first pieces in either order: only from here on is it late.
    if (isPast) page.passedAtMs ??= nowMs;
    quietSinceMs = Math.max(quietSinceMs, isPast ? (page.passedAtMs ?? nowMs) : reader.shownAtMs);
  }
  return nowMs >= quietSinceMs + rank * patience;
}

/**
 * How long a reader may show nothing. Unknown until a first piece has come from the last resort, here or elsewhere, and long until then: if all
 * ranks read because the store is slow, it is slower still.
 */
export function patienceMs(state: SchedulerState): number {
  const { leaseRankMs, maxLeaseRankMs } = state.options;
  return Math.max(leaseRankMs, Math.min(maxLeaseRankMs, state.lease.gapMs.upper));
}

/**
 * A connected peer shows pieces that nobody had shown before. Somebody is reading their runs then, and the first in line is alive: if it is that peer,
 * or one that this node cannot see itself and that was not late already (then another may have read in its place).
 */
export function noteFreshPieces(
  state: SchedulerState,
  pack: PackState,
  shower: PeerId,
  fresh: readonly number[],
): void {
  const { lease, wanted } = pack;
  const { nowMs } = state;
  if (lease.sinceMs === undefined) return; // they come from a seeder
  let noted = -1;
  for (const piece of fresh) {
    if ((wanted.have[piece] ?? 0) !== 0) continue; // it may have come from here
    const run = Math.floor(piece / lease.runPieces);
    const page = lease.runs[run];
    if (!page || run === noted) continue;
    noted = run;
    const dueMs = dueAtMs(state, pack, run);
    if (page.shownAtMs > -Infinity) state.lease.gapMs.observe(nowMs - page.shownAtMs);
    else if (state.lease.lastShownMs === -Infinity) state.lease.gapMs.observe(nowMs - dueMs);
    page.shownAtMs = nowMs;
    state.lease.lastShownMs = nowMs;
    const { leader } = turnOf(pack, run);
    if (leader === undefined) continue;
    const reader = state.lease.readers.get(leader);
    const isLate = nowMs >= Math.max(dueMs, reader?.shownAtMs ?? 0) + patienceMs(state);
    if (leader !== shower && (state.peers.has(leader) || isLate)) continue;
    const position = Math.max(positionOf(pack, run), reader?.position ?? 0);
    state.lease.readers.set(leader, { shownAtMs: nowMs, position });
  }
}

/** Where in the order that all nodes read in: packs by their keys, then runs. */
function positionOf({ lease }: PackState, run: number): number {
  return lease.packKey * MAX_RUNS + (lease.positions[run] ?? 0);
}

/** When the first in line could have begun. */
function dueAtMs(state: SchedulerState, { lease }: PackState, run: number): number {
  const openMs = (lease.sinceMs ?? state.nowMs) + state.options.leaseGraceMs;
  return Math.max(openMs, lease.runs[run]?.dueAtMs ?? openMs);
}

/** How many members come before this node for the run. */
export function rankOf(pack: PackState, run: number): number {
  return turnOf(pack, run).rank;
}

function turnOf({ lease, wanted }: PackState, run: number): RunTurn {
  const page = lease.runs[run];
  if (page?.turn) return page.turn;
  const own = pieceScore(lease.ownKey, run);
  let [rank, best] = [0, own];
  let leader: PeerId | undefined;
  const before: PeerId[] = [];
  const pack = wanted.descriptor.id;
  lease.rivals ??= lease.wanters.map((id) => ({ id, key: memberKey(id, pack) }));
  for (const { id, key } of lease.rivals) {
    const score = pieceScore(key, run);
    if (score <= own) continue;
    rank += 1;
    if (before.length < MAX_BEFORE) before.push(id);
    if (score > best) [leader, best] = [id, score];
  }
  const turn = { rank, leader, before: rank <= MAX_BEFORE ? before : [] };
  if (page) page.turn = turn;
  return turn;
}
