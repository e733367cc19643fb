import type { PackId } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import type { FetchAction, FetchEvent } from './fetch-events.ts';
import { fillWindow, windowRoom } from './fill-window.ts';
import type { Flight } from './flight.ts';
import { countFalseHave, countGiven, forgetPeer, parkStalled, tell, unparkDue } from './peer-credit.ts';
import { notePieceShown, planLeases } from './plan-leases.ts';
import { memberKey } from './rendezvous.ts';
import { schedulerDefaults } from './scheduler-options.ts';
import type { SchedulerOptions } from './scheduler-options.ts';
import { SchedulerPeer } from './scheduler-peer.ts';
import type { StandingAsk } from './scheduler-peer.ts';
import { createSchedulerState, pickIndex } from './scheduler-state.ts';
import type { SchedulerState } from './scheduler-state.ts';
import type { PieceMasks } from './piece-masks.ts';
import { nextWakeMs } from './next-wake.ts';
import { askFailed, placeAsks, renewAsks, watchAsks } from './standing-asks.ts';
import { becomePresent, endFetch, giveUpFetches, packFor, startFetch } from './track-fetches.ts';
import { breakOff, leaveStalled, pauseLeases, watchFlights } from './watch-flights.ts';

/**
 * The receiver: decides what this node asks of whom, for all its fetches together. A state machine without I/O, clock or chance of its own:
 * the same events at the same times with the same random numbers give the same actions, in the daemon and in a simulator.
 */
export interface FetchScheduler {
  /** Takes one event at `nowMs` (never less than before) and returns what is to be done, in order. */
  handle(event: FetchEvent, nowMs: number): readonly FetchAction[];
  /** When a `tick` is due if nothing else happens before; undefined when nothing waits. */
  wakeAtMs(): number | undefined;
  /** For status and metrics. */
  load(): SchedulerLoad;
}

export interface SchedulerLoad {
  readonly fetches: number;
  readonly packs: number;
  readonly requests: number;
  readonly landing: number;
  readonly asks: number;
  /** Pieces that nobody known has. */
  readonly unmetPieces: number;
  readonly parkedPeers: readonly PeerId[];
  readonly pieceTimeMs: number;
}

/** Fewer times "busy" say nothing about a peer, however long ago the first was. */
const MIN_BUSY_ANSWERS = 5;
const MAX_ERROR_PAUSE_MS = 30_000;
const FIRST_ERROR_PAUSE_MS = 500;

export function createFetchScheduler(
  deps: { readonly self: PeerId; readonly random: Random },
  options: Partial<SchedulerOptions> = {},
): FetchScheduler {
  const state = createSchedulerState(deps, { ...schedulerDefaults, ...options });
  return {
    handle(event, nowMs) {
      state.nowMs = nowMs;
      state.actions = [];
      take(state, event);
      unparkDue(state);
      watchFlights(state);
      watchAsks(state);
      fillWindow(state);
      placeAsks(state);
      planLeases(state);
      seekHolders(state);
      if (event.kind === 'tick') giveUpFetches(state);
      return state.actions;
    },
    wakeAtMs: () => nextWakeMs(state),
    load: () => loadOf(state),
  };
}

function take(state: SchedulerState, event: FetchEvent): void {
  switch (event.kind) {
    case 'fetch':
      for (const { descriptor, known } of event.wants) {
        packFor(state, descriptor);
        for (const { peer, masks } of known?.shown ?? []) takeHaves(state, peer, descriptor.id, masks);
        if (known) takeElsewhere(state, descriptor.id, known.elsewhere);
        if (known) takeWanters(state, descriptor.id, known.wanters);
      }
      startFetch(state, event);
      renewAsks(state);
      return;
    case 'fetchEnded': {
      const fetch = state.fetches.get(event.fetch);
      if (fetch) endFetch(state, fetch);
      return;
    }
    case 'peerJoined':
      joinPeer(state, event.peer, event.role);
      return;
    case 'peerLeft':
      losePeer(state, event.peer);
      return;
    case 'peerHas':
      takeHaves(state, event.peer, event.pack, event.masks);
      return;
    case 'elsewhere':
      takeElsewhere(state, event.pack, event.masks);
      return;
    case 'wanters':
      takeWanters(state, event.pack, event.members);
      return;
    case 'members':
      state.lease.members = Math.max(1, event.count);
      setOriginRate(state);
      return;
    case 'seeders':
      state.lease.knownSeeders = event.count;
      return;
    case 'rates':
      state.downloadBucket.setRate(state.nowMs, event.downloadBytesPerSecond);
      state.lease.originBytesPerSecond = event.originBytesPerSecond;
      setOriginRate(state);
      return;
    case 'present':
      becomePresent(state, event);
      return;
    case 'heldUp':
      excuse(state, event.ms);
      return;
    case 'tick':
      return;
    default:
      takeAnswer(state, event);
  }
}

type AnswerEvent = Extract<FetchEvent, { readonly request: number }>;

/** News of one request, ask or read. Of what was cancelled nothing is known any more, and its late news is dropped. */
function takeAnswer(state: SchedulerState, event: AnswerEvent): void {
  const flight = state.flights.all.get(event.request);
  if (flight) takeFlightNews(state, flight, event);
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
  } else if (event.kind === 'verified') {
    moved(state, flight);
    if (flight.source === 'peer') {
      state.gapMs.observe(flight.longestGapMs);
      state.pieceTimeMs.observe(nowMs - flight.startedAtMs);
    }
    if (flight.peer) countGiven(flight.peer, flight.pack.descriptor.id);
    if (flight.source === 'lastResort') state.lease.pauseMs = 0;
    const { twin } = flight;
    state.flights.land(flight);
    if (twin) breakOff(state, twin);
  } else if (event.kind === 'failed') {
    if (flight.isLanding) return;
    state.flights.remove(flight);
    if (flight.source === 'lastResort') pauseLeases(state);
    else if (flight.peer) blame(state, flight.peer, flight, event);
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
      const pieceTimeMs = Math.max(5, Math.min(1000, state.pieceTimeMs.mean));
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
    ask.progressAtMs = nowMs;
    ask.hasBytes = true;
    for (const pack of state.packs.values()) if (pack.wanted.unmet > 0) pack.progressAtMs = nowMs;
    return;
  }
  seeder.ask = undefined;
  if (event.kind === 'failed' && event.reason === 'bad') {
    banPeer(state, peer, 'sent bytes that are not the piece it named');
    return;
  }
  if (event.kind === 'failed' || event.kind === 'landed') {
    askFailed(state, peer);
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
    seeder.lacks.clear();
    for (const { pack, masks } of event.lacking) seeder.lacks.set(pack, masks);
  } else if (event.given) {
    seeder.dryPauseMs = 0;
    seeder.notBeforeMs = nowMs;
    seeder.ahead = Infinity;
    landGiven(state, ask, event.given);
  }
}

/** What a seeder gave is taken from now on, until it is written. It may be more than was needed: others need the rest. */
function landGiven(
  state: SchedulerState,
  ask: StandingAsk,
  given: { pack: PackId; piece: number; mask: number },
): void {
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
  state.flights.add(flight);
  state.flights.land(flight);
  pack.progressAtMs = state.nowMs;
}

function takeHaves(state: SchedulerState, id: PeerId, pack: PackId, masks: Uint16Array): void {
  const peer = state.peers.get(id);
  const known = state.packs.get(pack);
  if (!peer || !known) return;
  const fresh = tell(state, peer, pack, masks);
  if (fresh.length === 0) return;
  known.progressAtMs = state.nowMs;
  for (const piece of fresh) notePieceShown(state, known, piece);
}

function takeElsewhere(state: SchedulerState, pack: PackId, masks: PieceMasks): void {
  const wanted = state.packs.get(pack)?.wanted;
  if (wanted?.need.length !== masks.length) return;
  for (const [piece, mask] of masks.entries()) {
    if (mask !== wanted.elsewhere[piece]) wanted.setElsewhere(piece, mask);
  }
}

function takeWanters(state: SchedulerState, pack: PackId, members: readonly PeerId[]): void {
  const known = state.packs.get(pack);
  if (known) known.lease.rivals = members.map((id) => ({ id, key: memberKey(id, pack) }));
}

function joinPeer(state: SchedulerState, id: PeerId, role: 'node' | 'seeder'): void {
  const known = state.peers.get(id);
  if (known?.role === role) return;
  if (known) losePeer(state, id);
  const former = state.formerPeers.get(id);
  state.formerPeers.delete(id);
  const peer = former?.role === role ? former : new SchedulerPeer(id, role);
  state.peers.set(id, peer);
}

/** Its requests are dead. What only it showed is open again, and the order of leases starts afresh, or every rank would read at once. */
function losePeer(state: SchedulerState, id: PeerId): void {
  const peer = state.peers.get(id);
  if (!peer) return;
  for (const flight of state.flights.all.values()) {
    if (flight.peer === peer && !flight.isLanding) breakOff(state, flight);
  }
  const { ask } = peer.seeder;
  if (ask) state.actions.push({ kind: 'cancel', request: ask.request });
  peer.seeder.ask = undefined;
  peer.seeder.lacks.clear();
  peer.seeder.ahead = Infinity;
  const packs = [...peer.packs.keys()].map((wanted) => ({ wanted, unmet: wanted.unmet }));
  forgetPeer(state, peer);
  for (const { wanted, unmet } of packs) {
    const lease = state.packs.get(wanted.descriptor.id)?.lease;
    if (lease?.sinceMs !== undefined && wanted.unmet > unmet) lease.sinceMs = state.nowMs;
  }
  peer.seeder.notBeforeMs = 0;
  peer.busySinceMs = undefined;
  remember(state, peer);
}

/** A peer that comes back keeps its credit, or reconnecting would wash it clean. */
function remember(state: SchedulerState, peer: SchedulerPeer): void {
  if (peer.parks === 0 && peer.falseHaves === 0 && peer.seeder.failures === 0) return;
  state.formerPeers.set(peer.id, peer);
  if (state.formerPeers.size <= MAX_FORMER_PEERS) return;
  for (const oldest of state.formerPeers.keys()) {
    state.formerPeers.delete(oldest);
    return;
  }
}

const MAX_FORMER_PEERS = 1024;

function banPeer(state: SchedulerState, peer: SchedulerPeer, reason: string): void {
  losePeer(state, peer.id);
  state.actions.push({ kind: 'ban', peer: peer.id, reason });
}

function excuse(state: SchedulerState, ms: number): void {
  for (const flight of state.flights.all.values())
    flight.progressAtMs = Math.min(state.nowMs, flight.progressAtMs + ms);
  for (const { seeder } of state.peers.values()) {
    if (seeder.ask) seeder.ask.progressAtMs = Math.min(state.nowMs, seeder.ask.progressAtMs + ms);
  }
}

function findAsk(state: SchedulerState, request: number): StandingAsk | undefined {
  for (const { seeder } of state.peers.values()) if (seeder.ask?.request === request) return seeder.ask;
  return undefined;
}

/** No connected peer has what is open, but some member does. */
function seekHolders(state: SchedulerState): void {
  if (state.totals.distant === 0 || state.seekNotBeforeMs > state.nowMs || windowRoom(state) <= 0) return;
  const packs = [...state.packs.values()].filter(({ wanted }) => wanted.distant > 0);
  const pack = packs[pickIndex(state.random, packs.length)]?.wanted;
  if (!pack) return;
  const count = pack.need.length;
  const start = pickIndex(state.random, count);
  for (let i = 0; i < count; i += 1) {
    const piece = (start + i) % count;
    if ((pack.open(piece) & ~(pack.shown[piece] ?? 0) & (pack.elsewhere[piece] ?? 0)) === 0) continue;
    state.seekNotBeforeMs = state.nowMs + state.options.seekPauseMs;
    state.actions.push({ kind: 'seek', pack: pack.descriptor.id, piece });
    return;
  }
}

function setOriginRate(state: SchedulerState): void {
  const { lease, nowMs } = state;
  lease.bucket.setRate(nowMs, lease.originBytesPerSecond / lease.members);
}

function loadOf(state: SchedulerState): SchedulerLoad {
  const peers = [...state.peers.values()];
  return {
    fetches: state.fetches.size,
    packs: state.packs.size,
    requests: state.flights.windowUsed,
    landing: state.flights.landing,
    asks: peers.filter((peer) => peer.seeder.ask).length,
    unmetPieces: state.totals.unmet,
    parkedPeers: peers.filter((peer) => peer.parkedUntilMs !== undefined).map((peer) => peer.id),
    pieceTimeMs: state.pieceTimeMs.mean,
  };
}
