import { fullPieceMask, maskedBytes } from '@quarry/content';
import type { FetchEvent, GivenPiece } from './fetch-events.ts';
import type { Flight, RunFlight } from './flight.ts';
import { countFalseHave, countGiven, parkStalled } from './peer-credit.ts';
import { banPeer } from './peer-sessions.ts';
import type { SchedulerPeer, StandingAsk } from './scheduler-peer.ts';
import { watchFrom } from './scheduler-state.ts';
import type { SchedulerState } from './scheduler-state.ts';
import { askFailed, asksOf, endAsk, noteBytes } from './standing-asks.ts';
import { forgetIfIdle } from './track-fetches.ts';
import type { WantedPack } from './wanted-pack.ts';
import { breakOff, leaveStalled, pauseLeases } from './watch-flights.ts';

/** Fewer times "busy" say nothing about a peer, however long ago the first was. */
const MIN_BUSY_ANSWERS = 5;
const MAX_ERROR_PAUSE_MS = 30_000;
const FIRST_ERROR_PAUSE_MS = 500;

export type AnswerEvent = Extract<FetchEvent, { readonly request: number }>;

/** News of one request, ask or read. Of what was cancelled nothing is known any more, and its late news is dropped. */
export function takeAnswer(state: SchedulerState, event: AnswerEvent): void {
  const flight = state.flights.all.get(event.request);
  const run = flight ? undefined : state.flights.findRun(event.request);
  if (flight) takeFlightNews(state, flight, event);
  else if (run) takeRunNews(state, run, event);
  else {
    const ask = findAsk(state, event.request);
    if (ask) takeAskNews(state, ask, event);
  }
}

function takeFlightNews(state: SchedulerState, flight: Flight, event: AnswerEvent): void {
  const { nowMs } = state;
  if (event.kind === 'progress') {
    moved(state, flight);
  } else if (event.kind === 'landed') {
    state.flights.remove(flight);
    const pack = state.packs.get(flight.pack.descriptor.id);
    if (pack) forgetIfIdle(state, pack);
  } else if (event.kind === 'verified') {
    moved(state, flight);
    if (flight.source === 'peer') {
      state.gapMs.observe(flight.longestGapMs);
      state.pieceTimeMs.observe(nowMs - flight.startedAtMs);
      if (flight.peer?.isNear === false) state.zone.pieceTimeMs.observe(nowMs - flight.startedAtMs);
    }
    state.pace.received(event.wireBytes ?? maskedBytes(flight.pack.descriptor, flight.piece, flight.mask), nowMs);
    if (flight.peer) countGiven(flight.peer, flight.pack.descriptor.id);
    noteEncoding(flight.pack, flight.piece, flight.mask, event.wireBytes);
    const { twin } = flight;
    state.flights.land(flight);
    if (twin) breakOff(state, twin);
  } else if (event.kind === 'failed') {
    if (flight.isLanding) return;
    if (flight.twin) watchFrom(state, state.nowMs); // the other has no second source any more
    state.flights.remove(flight);
    if (flight.peer) blame(state, flight.peer, flight, event);
  }
}

/** Of a run: progress and failure with its own number, an arrival with the piece's. */
function takeRunNews(state: SchedulerState, run: RunFlight, event: AnswerEvent): void {
  const { nowMs } = state;
  const piece = run.left.get(event.request);
  if (event.kind === 'progress' || event.kind === 'verified') {
    run.progressAtMs = nowMs;
    const pack = state.packs.get(run.pack.descriptor.id);
    // To wait for a turn is not to stall. But where reads only fail, each try begins with a wait, and the fetch would never be given up.
    const isHopeless = event.kind === 'progress' && event.isWaiting === true && state.lease.pauseMs > 0;
    if (pack && !isHopeless) pack.progressAtMs = nowMs;
  }
  if (event.kind === 'verified' && piece) {
    state.lease.pauseMs = 0;
    state.lease.gapMs.observe(nowMs - run.pieceAtMs);
    run.pieceAtMs = nowMs;
    state.flights.landRunPiece(run, piece, nowMs);
  } else if (event.kind === 'failed') {
    state.flights.removeRun(run);
    pauseLeases(state, run);
  }
}

function moved(state: SchedulerState, flight: Flight): void {
  const { nowMs } = state;
  flight.longestGapMs = Math.max(flight.longestGapMs, nowMs - flight.progressAtMs);
  flight.progressAtMs = nowMs;
  if (flight.peer) flight.peer.progressAtMs = nowMs;
  const pack = state.packs.get(flight.pack.descriptor.id);
  if (pack) pack.progressAtMs = nowMs;
}

function blame(
  state: SchedulerState,
  peer: SchedulerPeer,
  flight: Flight,
  event: AnswerEvent & { readonly kind: 'failed' },
): void {
  const { nowMs } = state;
  switch (event.reason) {
    case 'busy': {
      state.pace.roundTrip(nowMs - flight.startedAtMs, nowMs);
      const pieceTimeMs = Math.max(1, Math.min(1000, state.pace.pieceMs));
      peer.notBeforeMs = nowMs + pieceTimeMs * (1 + 2 * state.random.next());
      peer.queueHint = event.queueLength ?? 0;
      peer.busySinceMs ??= nowMs;
      peer.busyAnswers += 1;
      if (peer.busyAnswers >= MIN_BUSY_ANSWERS && nowMs - peer.busySinceMs >= state.options.busyStallMs) {
        leaveStalled(state, peer);
      }
      return;
    }
    case 'absent':
      countFalseHave(state, peer, flight.pack.descriptor.id, flight.piece, flight.mask);
      return;
    case 'bad':
      banPeer(state, peer, `sent bytes that are not piece ${flight.piece} of pack ${flight.pack.descriptor.id}`);
      return;
    case 'error':
      peer.errors += 1;
      peer.notBeforeMs = nowMs + Math.min(MAX_ERROR_PAUSE_MS, FIRST_ERROR_PAUSE_MS * 2 ** (peer.errors - 1));
      if (peer.errors >= 3) parkStalled(state, peer);
  }
}

function takeAskNews(state: SchedulerState, ask: StandingAsk, event: AnswerEvent): void {
  const { seeder: peer } = ask;
  const { seeder } = peer;
  const { nowMs, options } = state;
  if (event.kind === 'progress') {
    noteBytes(state, ask);
    for (const pack of state.packs.values()) if (pack.wanted.unmet > 0) pack.progressAtMs = nowMs;
    return;
  }
  endAsk(peer, ask);
  if (event.kind === 'failed' && event.reason === 'bad') {
    banPeer(state, peer, 'sent bytes that are not the piece it named');
    return;
  }
  if (event.kind === 'failed' || event.kind === 'landed') {
    askFailed(state, ask);
    return;
  }
  seeder.failures = 0;
  if (event.kind === 'wait') {
    seeder.notBeforeMs = nowMs;
    if (event.ahead < seeder.ahead) for (const pack of state.packs.values()) pack.progressAtMs = nowMs;
    seeder.ahead = event.ahead;
  } else if (event.kind === 'dry') {
    seeder.dryPauseMs = Math.min(options.maxDryPauseMs, Math.max(options.firstDryPauseMs, seeder.dryPauseMs * 2));
    seeder.notBeforeMs = nowMs + seeder.dryPauseMs;
    seeder.fruitlessSinceMs ??= nowMs;
    seeder.lacks.clear();
    for (const { pack, masks } of event.lacking) seeder.lacks.set(pack, masks);
  } else if (event.given) {
    seeder.dryPauseMs = 0;
    seeder.fruitlessSinceMs = undefined;
    seeder.notBeforeMs = nowMs;
    seeder.ahead = Infinity;
    landGiven(state, ask, event.given, event.wireBytes);
  }
}

/** What a seeder gave is taken from now on, until it is written. It may be more than was needed: others need the rest. */
function landGiven(state: SchedulerState, ask: StandingAsk, given: GivenPiece, wireBytes: number | undefined): void {
  const pack = state.packs.get(given.pack);
  if (!pack) return;
  const flight: Flight = {
    request: ask.request,
    source: 'seeder',
    peer: ask.seeder,
    pack: pack.wanted,
    piece: given.piece,
    mask: given.mask,
    startedAtMs: ask.askedAtMs,
    progressAtMs: state.nowMs,
    longestGapMs: 0,
    twin: undefined,
    isHedge: false,
    hedgeNotBeforeMs: 0,
    isLanding: false,
  };
  // Who gives a part of what was asked for has no frames.
  if (given.mask !== fullPieceMask(pack.wanted.descriptor, given.piece)) pack.wanted.hasFrames ??= false;
  noteEncoding(pack.wanted, given.piece, given.mask, wireBytes);
  state.flights.add(flight);
  state.flights.land(flight);
  const bytes = wireBytes ?? maskedBytes(pack.wanted.descriptor, given.piece, given.mask);
  state.pace.received(bytes, state.nowMs);
  pack.progressAtMs = state.nowMs;
}

/** One frame is enough: a pack that has some is asked for whole pieces from then on. */
function noteEncoding(pack: WantedPack, piece: number, mask: number, wireBytes: number | undefined): void {
  const { descriptor } = pack;
  if (mask !== fullPieceMask(descriptor, piece)) return;
  const isFrame = wireBytes !== undefined && wireBytes < maskedBytes(descriptor, piece, mask);
  pack.hasFrames = pack.hasFrames === true || isFrame;
}

function findAsk(state: SchedulerState, request: number): StandingAsk | undefined {
  for (const seeder of state.seeders) {
    for (const ask of asksOf(seeder)) if (ask.request === request) return ask;
  }
  return undefined;
}
