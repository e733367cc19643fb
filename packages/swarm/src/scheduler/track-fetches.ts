import type { FetchEvent, GivenPiece } from './fetch-events.ts';
import { createLeaseState } from './lease-state.ts';
import { forgetPack } from './peer-credit.ts';
import { bitCount, countMasked, emptyMasks } from './piece-masks.ts';
import type { FetchState, PackState, SchedulerState } from './scheduler-state.ts';
import { breakOff, breakOffRun } from './watch-flights.ts';
import { WantedPack } from './wanted-pack.ts';

const MAX_MISSING_NAMED = 16;

/** Fetches share packs: a pack is wanted as long as one fetch wants it, and a piece that several want is asked for once. */
export function startFetch(state: SchedulerState, event: FetchEvent & { readonly kind: 'fetch' }): void {
  const fetch: FetchState = {
    fetch: event.fetch,
    giveUpMs: event.giveUpMs,
    needs: new Map(),
    wants: event.wants,
    missingChunks: 0,
    progressAtMs: state.nowMs,
  };
  state.fetches.set(fetch.fetch, fetch);
  state.giveUpAtMs = Math.min(state.giveUpAtMs, state.nowMs + fetch.giveUpMs);
  for (const want of event.wants) {
    const pack = packFor(state, want.descriptor);
    const { wanted } = pack;
    const need = fetch.needs.get(wanted) ?? emptyMasks(want.need.length);
    for (let piece = 0; piece < need.length; piece += 1) {
      wanted.have[piece] = (wanted.have[piece] ?? 0) | (want.have[piece] ?? 0);
      const missing = (want.need[piece] ?? 0) & ~(wanted.have[piece] ?? 0);
      need[piece] = (need[piece] ?? 0) | missing;
      if (missing !== 0) wanted.setNeed(piece, (wanted.need[piece] ?? 0) | missing);
    }
    fetch.needs.set(wanted, need);
    pack.fetches.add(fetch);
    refreshCover(pack);
  }
  for (const need of fetch.needs.values()) fetch.missingChunks += countMasked(need);
  if (fetch.missingChunks === 0) finish(state, fetch);
}

/** Drops what no other fetch wants; what has arrived is still written. */
export function endFetch(state: SchedulerState, fetch: FetchState): void {
  state.fetches.delete(fetch.fetch);
  if (state.fetches.size === 0) for (const { seeder } of state.peers.values()) seeder.fruitlessSinceMs = undefined;
  for (const wanted of fetch.needs.keys()) {
    const pack = state.packs.get(wanted.descriptor.id);
    if (!pack) continue;
    pack.fetches.delete(fetch);
    for (let piece = 0; piece < wanted.need.length; piece += 1) {
      let need = 0;
      for (const other of pack.fetches) need |= other.needs.get(wanted)?.[piece] ?? 0;
      if (need !== wanted.need[piece]) wanted.setNeed(piece, need);
    }
    refreshCover(pack);
    cancelNeedless(state, wanted);
    forgetIfIdle(state, pack);
  }
}

/** A pack of which something is still being written is kept: whoever wants it next must not ask for that again. */
export function forgetIfIdle(state: SchedulerState, pack: PackState): void {
  if (pack.fetches.size > 0) return;
  for (const flight of state.flights.all.values()) if (flight.pack === pack.wanted) return;
  forgetPack(state, pack.wanted.descriptor.id);
}

export function becomePresent(state: SchedulerState, event: GivenPiece): void {
  const pack = state.packs.get(event.pack);
  if (!pack) return;
  const { wanted } = pack;
  const { piece, mask } = event;
  wanted.have[piece] = (wanted.have[piece] ?? 0) | mask;
  if (((wanted.need[piece] ?? 0) & mask) === 0) return;
  wanted.setNeed(piece, (wanted.need[piece] ?? 0) & ~mask);
  pack.progressAtMs = state.nowMs;
  cancelNeedless(state, wanted);
  for (const fetch of pack.fetches) {
    const need = fetch.needs.get(wanted);
    const got = (need?.[piece] ?? 0) & mask;
    if (!need || got === 0) continue;
    need[piece] = (need[piece] ?? 0) & ~got;
    fetch.missingChunks -= bitCount(got);
    fetch.progressAtMs = state.nowMs;
    if (fetch.missingChunks === 0) finish(state, fetch);
  }
}

/** Fetches to which nothing has come for too long. Bytes on their way and news of holders count as progress: a slow swarm is not a dead one. */
export function giveUpFetches(state: SchedulerState): void {
  if (state.nowMs < state.giveUpAtMs) return;
  for (const fetch of state.fetches.values()) {
    if (state.nowMs < giveUpAtMs(state, fetch)) continue;
    const missing: GivenPiece[] = [];
    for (const [wanted, need] of fetch.needs) {
      for (const [piece, mask] of need.entries()) {
        if (mask !== 0 && missing.length < MAX_MISSING_NAMED) missing.push({ pack: wanted.descriptor.id, piece, mask });
      }
    }
    state.actions.push({ kind: 'noSource', fetch: fetch.fetch, missingChunks: fetch.missingChunks, missing });
    endFetch(state, fetch);
  }
  state.giveUpAtMs = Infinity;
  for (const fetch of state.fetches.values()) {
    state.giveUpAtMs = Math.min(state.giveUpAtMs, giveUpAtMs(state, fetch));
  }
}

function giveUpAtMs(state: SchedulerState, fetch: FetchState): number {
  let progressAtMs = fetch.progressAtMs;
  for (const wanted of fetch.needs.keys()) {
    progressAtMs = Math.max(progressAtMs, state.packs.get(wanted.descriptor.id)?.progressAtMs ?? 0);
  }
  return progressAtMs + fetch.giveUpMs;
}

function finish(state: SchedulerState, fetch: FetchState): void {
  state.actions.push({ kind: 'done', fetch: fetch.fetch });
  endFetch(state, fetch);
}

/** The pack's page, new if nobody wanted it before. */
export function packFor(state: SchedulerState, descriptor: WantedPack['descriptor']): PackState {
  const known = state.packs.get(descriptor.id);
  if (known) return known;
  const pack: PackState = {
    wanted: new WantedPack(descriptor, state.totals),
    crossing: undefined,
    fetches: new Set(),
    lease: createLeaseState(descriptor, state.self, state.options.leaseRunBytes),
    progressAtMs: state.nowMs,
  };
  state.packs.set(descriptor.id, pack);
  return pack;
}

function refreshCover(pack: PackState): void {
  const { wanted } = pack;
  wanted.cover = undefined;
  for (const fetch of pack.fetches) {
    for (const want of fetch.wants) {
      if (want.descriptor.id !== wanted.descriptor.id || !want.cover) continue;
      wanted.cover ??= emptyMasks(wanted.need.length);
      for (const [piece, mask] of want.cover.entries()) wanted.cover[piece] = (wanted.cover[piece] ?? 0) | mask;
    }
  }
}

function cancelNeedless(state: SchedulerState, wanted: WantedPack): void {
  for (const flight of state.flights.all.values()) {
    if (flight.pack !== wanted || flight.isLanding) continue;
    if ((flight.mask & (wanted.need[flight.piece] ?? 0)) === 0) breakOff(state, flight);
  }
  for (const run of state.flights.runs.values()) {
    const isNeeded = [...run.left.values()].some(({ piece, mask }) => (mask & (wanted.need[piece] ?? 0)) !== 0);
    if (run.pack === wanted && !isNeeded) breakOffRun(state, run);
  }
}
