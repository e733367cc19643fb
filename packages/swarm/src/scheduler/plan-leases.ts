import { maskedBytes } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import { pieceScore } from './rendezvous.ts';
import { watchFrom } from './scheduler-state.ts';
import type { PackState, SchedulerState } from './scheduler-state.ts';
import { isResponsive, seededMask } from './standing-asks.ts';

/** Pieces looked at in one go; the next look goes on from there. */
const MAX_LOOKS = 512;

/**
 * Who reads a piece from outside the swarm when no seeder can give it: the member that rendezvous hashing ranks first among those known to
 * want the pack. Rank r may read after r × leaseRankMs in which no reader before it has shown a piece of its own; after r × leaseSkipMs
 * whatever it showed, for it may lack just this one. All read in one common order, so that nobody is left with the last pieces.
 */
export function planLeases(state: SchedulerState): void {
  const { lease, options, nowMs, flights } = state;
  if (state.totals.unmet === 0) return;
  let looks = 0;
  for (const pack of state.packs.values()) {
    if (!isOpenForLeases(state, pack)) continue;
    const { order } = pack.lease;
    for (let i = 0; i < order.length && looks < MAX_LOOKS; i += 1, looks += 1) {
      if (flights.lastResortReads >= options.leaseReads || lease.notBeforeMs > nowMs) return;
      const piece = order[pack.lease.cursor] ?? 0;
      const mask = leasableMask(state, pack, piece);
      if (mask !== 0 && isOurTurn(state, pack, piece)) readLastResort(state, pack, piece, mask);
      pack.lease.cursor = (pack.lease.cursor + 1) % order.length;
    }
  }
}

/** A piece has become visible: whoever should have read it has proved alive. */
export function notePieceShown(state: SchedulerState, pack: PackState, piece: number): void {
  let leader: PeerId | undefined;
  let best = pieceScore(pack.lease.ownKey, piece);
  for (const { id, key } of pack.lease.rivals) {
    const score = pieceScore(key, piece);
    if (score > best) [leader, best] = [id, score];
  }
  if (leader !== undefined) pack.lease.shownAtMs.set(leader, state.nowMs);
}

/** Also notes since when no seeder can give what is open. */
function isOpenForLeases(state: SchedulerState, pack: PackState): boolean {
  const { wanted, lease } = pack;
  if (!wanted.cover || wanted.unmet === 0) return false;
  let responsive = 0;
  for (const peer of state.seeders) {
    if (!isResponsive(state, peer)) continue;
    responsive += 1;
    if (peer.seeder.lacks.has(wanted.descriptor.id)) continue;
    lease.sinceMs = undefined;
    return false;
  }
  lease.sinceMs ??= state.nowMs;
  return state.nowMs - lease.sinceMs >= graceMs(state, responsive);
}

/** A seeder that is known but not connected may only be slow to answer: then the origin is spared for longer. */
function graceMs(state: SchedulerState, responsiveSeeders: number): number {
  const { leaseGraceMs, seederPatienceMs } = state.options;
  return state.lease.knownSeeders > responsiveSeeders ? seederPatienceMs : leaseGraceMs;
}

function leasableMask(state: SchedulerState, pack: PackState, piece: number): number {
  const open = pack.wanted.unmetMask(piece) & (pack.wanted.cover?.[piece] ?? 0);
  return open === 0 ? 0 : open & ~seededMask(state, pack, piece);
}

function isOurTurn(state: SchedulerState, pack: PackState, piece: number): boolean {
  const { lease } = pack;
  const own = pieceScore(lease.ownKey, piece);
  const sinceMs = (lease.sinceMs ?? state.nowMs) + state.options.leaseGraceMs;
  let rank = 0;
  let lastShownMs = sinceMs;
  for (const { id, key } of lease.rivals) {
    if (pieceScore(key, piece) <= own) continue;
    rank += 1;
    lastShownMs = Math.max(lastShownMs, lease.shownAtMs.get(id) ?? 0);
  }
  const { leaseRankMs, leaseSkipMs } = state.options;
  return state.nowMs >= Math.min(lastShownMs + rank * leaseRankMs, sinceMs + rank * leaseSkipMs);
}

function readLastResort(state: SchedulerState, pack: PackState, piece: number, mask: number): void {
  const { lease, nowMs } = state;
  const { descriptor } = pack.wanted;
  const request = state.nextRequest;
  state.nextRequest += 1;
  watchFrom(state, nowMs + state.options.leaseDeadlineMs);
  state.flights.add({
    request,
    source: 'lastResort',
    peer: undefined,
    pack: pack.wanted,
    piece,
    mask,
    startedAtMs: nowMs,
    progressAtMs: nowMs,
    longestGapMs: 0,
    twin: undefined,
    isHedge: false,
    hedgeNotBeforeMs: 0,
    isLanding: false,
  });
  lease.notBeforeMs = nowMs + lease.bucket.take(nowMs, maskedBytes(descriptor, piece, mask));
  state.actions.push({ kind: 'readLastResort', request, pack: descriptor.id, piece, mask });
}
