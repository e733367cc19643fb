import { isFirstOfAll } from './lease-first.ts';
import { isOurTurn, rankOf } from './lease-turns.ts';
import { allowedReads } from './origin-allowance.ts';
import { watchFrom } from './scheduler-state.ts';
import type { PackState, SchedulerState } from './scheduler-state.ts';
import { isResponsive, seededMask } from './standing-asks.ts';

/** A look that found nothing to read is not repeated before. */
const LOOK_PAUSE_MS = 10;
/** Who wants what is told late when many tell. */
const NEWS_TWICE = 2;

/**
 * Reads from outside the swarm what no seeder can give and nobody shows: runs of consecutive pieces, because a read costs the store the same whatever
 * its length. Who reads a run is decided by rendezvous hashing (lease-turns.ts). All read in one common order, over all packs, so that nobody is
 * left with the last pieces, and a run begins only when less than `leaseFrontier` runs before it are still unknown: if all were read at once,
 * each would come so slowly that there was nothing to exchange until the end (prototype: 2.04 × T*, 1.09 with a frontier).
 */
export function planLeases(state: SchedulerState): void {
  const { lease, options, nowMs, flights } = state;
  if (state.totals.unmet === 0 || flights.runs.size >= options.leaseReads) return;
  const mostReads = allowedReads(state);
  if (Math.max(lease.notBeforeMs, lease.lookNotBeforeMs) > nowMs) return;
  let unknownRuns = 0;
  for (const pack of inCommonOrder(state)) {
    const opening = openingOf(state, pack);
    if (opening === 'closed') continue;
    const { order, runs, runPieces } = pack.lease;
    for (const run of order) {
      const unknown = unknownPieces(pack, run);
      if (unknown === 0) continue;
      const page = runs[run];
      if (page) page.dueAtMs ??= nowMs;
      const mayBe = opening === 'open' || isFirstOfAll(state, pack, run);
      if (mayBe && isOurTurn(state, pack, run)) {
        if (flights.runs.size < mostReads) startRun(state, pack, run);
        else if (isReadable(state, pack, run)) return waitForAllowance(state);
      }
      if (flights.runs.size >= options.leaseReads || lease.notBeforeMs > nowMs) return;
      unknownRuns += unknown / runPieces;
      if (unknownRuns >= options.leaseFrontier) break;
    }
    if (unknownRuns >= options.leaseFrontier) break;
  }
  lease.wantsMore = false;
  lease.lookNotBeforeMs = nowMs + LOOK_PAUSE_MS;
}

function waitForAllowance({ lease, nowMs }: SchedulerState): void {
  lease.wantsMore = true;
  lease.lookNotBeforeMs = nowMs + LOOK_PAUSE_MS;
}

/** Whether anything of the run is left to read. */
function isReadable(state: SchedulerState, pack: PackState, run: number): boolean {
  const { runPieces } = pack.lease;
  const end = Math.min(pack.wanted.need.length, (run + 1) * runPieces);
  for (let piece = run * runPieces; piece < end; piece += 1) if (leasableMask(state, pack, piece) !== 0) return true;
  return false;
}

/** The same relative order on all nodes, whatever other packs each of them wants. */
function inCommonOrder(state: SchedulerState): PackState[] {
  const open = [...state.packs.values()].filter(({ wanted }) => wanted.unmet > 0);
  return open.sort((a, b) => a.lease.packKey - b.lease.packKey);
}

/** `first`: only for who comes first among all. Also notes since when no seeder can give what is open. */
function openingOf(state: SchedulerState, pack: PackState): 'closed' | 'first' | 'open' {
  const { wanted, lease } = pack;
  if (!wanted.cover || wanted.unmet === 0) return 'closed';
  let responsive = 0;
  for (const peer of state.seeders) {
    if (!isResponsive(state, peer)) continue;
    responsive += 1;
    if (peer.seeder.lacks.has(wanted.descriptor.id)) continue;
    lease.sinceMs = undefined;
    return 'closed';
  }
  lease.sinceMs ??= state.nowMs;
  const waitedMs = state.nowMs - lease.sinceMs;
  const { leaseGraceMs, seederPatienceMs } = state.options;
  // A seeder that is known but not connected may only be slow to answer: then the origin is spared for longer.
  if (state.lease.knownSeeders > responsive) return waitedMs >= seederPatienceMs ? 'open' : 'closed';
  return waitedMs >= Math.max(leaseGraceMs, NEWS_TWICE * state.lease.newsMs) ? 'open' : 'first';
}

/** Pieces of the run of which nobody shows what this node needs; also those that it is reading. */
function unknownPieces({ wanted, lease }: PackState, run: number): number {
  let count = 0;
  const end = Math.min(wanted.need.length, (run + 1) * lease.runPieces);
  for (let piece = run * lease.runPieces; piece < end; piece += 1) {
    const need = wanted.need[piece] ?? 0;
    if ((need & ~(wanted.shown[piece] ?? 0) & ~(wanted.elsewhere[piece] ?? 0)) !== 0) count += 1;
  }
  return count;
}

function leasableMask(state: SchedulerState, pack: PackState, piece: number): number {
  const open = pack.wanted.unmetMask(piece) & (pack.wanted.cover?.[piece] ?? 0);
  return open === 0 ? 0 : open & ~seededMask(state, pack, piece);
}

/** Begins to read what is still missing of the run, if anything is. */
function startRun(state: SchedulerState, pack: PackState, run: number): void {
  const { nowMs, flights } = state;
  const { descriptor } = pack.wanted;
  const { runPieces } = pack.lease;
  const request = state.nextRequest;
  const pieces: { request: number; piece: number; mask: number }[] = [];
  const end = Math.min(descriptor.pieceCount, (run + 1) * runPieces);
  for (let piece = run * runPieces; piece < end; piece += 1) {
    const mask = leasableMask(state, pack, piece);
    if (mask === 0) continue;
    pieces.push({ request: request + 1 + pieces.length, piece, mask });
  }
  if (pieces.length === 0) return;
  state.nextRequest += 1 + pieces.length;
  flights.addRun({
    request,
    pack: pack.wanted,
    run,
    left: new Map(pieces.map((one) => [one.request, one])),
    startedAtMs: nowMs,
    pieceAtMs: nowMs,
    progressAtMs: nowMs,
  });
  watchFrom(state, nowMs + state.options.leaseStallMs);
  const isOutOfTurn = rankOf(pack, run) > 0;
  state.actions.push({ kind: 'readLastResort', request, pack: descriptor.id, pieces, isOutOfTurn });
}
