import type { PackId } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import type { FetchAction, FetchEvent } from './fetch-events.ts';
import { fillWindow, windowRoom } from './fill-window.ts';
import { takeChanges, takeElsewhere, takeHaves, takeWanters } from './hear-peers.ts';
import { setMembers } from './lease-first.ts';
import { createLinkPace } from './link-pace.ts';
import type { LinkPace } from './link-pace.ts';
import { nextWakeMs, nextWatchMs } from './next-wake.ts';
import { unparkDue } from './peer-credit.ts';
import { joinPeer, losePeer } from './peer-sessions.ts';
import { setAllowance, tellDemand } from './origin-allowance.ts';
import { planLeases } from './plan-leases.ts';
import { schedulerDefaults } from './scheduler-options.ts';
import type { SchedulerOptions } from './scheduler-options.ts';
import { noteRoom, planCrossings } from './plan-crossings.ts';
import { createSchedulerState, pickIndex } from './scheduler-state.ts';
import type { SchedulerState } from './scheduler-state.ts';
import { asksOf, placeAsks, renewAsks, watchAsks } from './standing-asks.ts';
import { takeAnswer } from './take-answer.ts';
import { becomePresent, endFetch, giveUpFetches, packFor, startFetch } from './track-fetches.ts';
import { watchFlights } from './watch-flights.ts';

/**
 * The receiver: decides what this node asks of whom, for all its fetches together. A state machine without I/O, clock or chance of its own:
 * the same events at the same times with the same random numbers give the same actions, in the daemon and in a simulator.
 */
export interface FetchScheduler {
  /** Takes one event at `nowMs` (never less than before) and returns what is to be done, in order. */
  handle(event: FetchEvent, nowMs: number): readonly FetchAction[];
  /** When a `tick` is due if nothing else happens before; undefined when nothing waits. */
  wakeAtMs(): number | undefined;
  /** How many connected peers show something of the piece; Infinity when nobody here wants the pack. */
  holders(pack: PackId, piece: number): number;
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

export function createFetchScheduler(
  deps: { readonly self: PeerId; readonly random: Random; readonly pace?: LinkPace },
  options: Partial<SchedulerOptions> = {},
): FetchScheduler {
  const state = createSchedulerState({ pace: createLinkPace(), ...deps }, { ...schedulerDefaults, ...options });
  return {
    handle(event, nowMs) {
      state.nowMs = nowMs;
      state.actions = [];
      if (event.kind === 'peerChanged' && mayWait(state)) {
        state.news.push(event);
        return state.actions;
      }
      for (const news of state.news.splice(0)) takeChanges(state, news);
      const before = { flights: state.flights.version, gains: state.totals.gains, room: windowRoom(state) };
      take(state, event);
      if (changesNothing(state, event, before)) return state.actions;
      state.wakeAtMs = undefined;
      if (nowMs >= state.unparkAtMs) unparkDue(state);
      if (nowMs >= state.watchAtMs) watch(state);
      planCrossings(state);
      fillWindow(state);
      noteRoom(state, windowRoom(state) > 0);
      placeAsks(state);
      planLeases(state);
      tellDemand(state);
      seekHolders(state);
      if (event.kind === 'tick') giveUpFetches(state);
      return state.actions;
    },
    wakeAtMs() {
      state.wakeAtMs ??= nextWakeMs(state) ?? Infinity;
      return state.wakeAtMs === Infinity ? undefined : state.wakeAtMs;
    },
    holders: (pack, piece) => state.packs.get(pack)?.wanted.holders[piece] ?? Infinity,
    load: () => loadOf(state),
  };
}

/**
 * Most events in a storm are news of pieces that this node has, has asked for, or could have had from the same peer before: whatever it would do
 * now it would have done already. Zones look at who shows what, and see it at the next wish to be woken.
 */
function changesNothing(
  state: SchedulerState,
  event: FetchEvent,
  before: { readonly flights: number; readonly gains: number; readonly room: number },
): boolean {
  if (state.wakeAtMs === undefined || state.nowMs >= state.wakeAtMs || state.actions.length > 0) return false;
  if (state.totals.gains !== before.gains) return false;
  switch (event.kind) {
    case 'peerChanged':
      return state.flights.version === before.flights && !mayReadStore(state);
    case 'progress':
      return state.flights.all.has(event.request);
    case 'present':
    case 'landed':
      return windowRoom(state) <= before.room;
    default:
      return false;
  }
}

/**
 * News of what peers have are kept until something else happens while the window is full: nothing could be asked for before a request ends. Taken
 * together they cost less, here and in a simulation of a thousand nodes.
 */
function mayWait(state: SchedulerState): boolean {
  return (
    state.wakeAtMs !== undefined &&
    state.nowMs < state.wakeAtMs &&
    state.flights.windowUsed > 0 &&
    windowRoom(state) <= 0 &&
    !mayReadStore(state) &&
    !hasMates(state)
  );
}

/** Whether zone mates fetch the same: who of them shows what decides who fetches from outside. */
function hasMates(state: SchedulerState): boolean {
  for (const { crossing } of state.packs.values()) if (crossing) return true;
  return false;
}

/** What others show moves the frontier of leases: who might read next looks at once. */
function mayReadStore(state: SchedulerState): boolean {
  if (state.totals.unmet === 0) return false;
  for (const { wanted } of state.packs.values()) if (wanted.cover && wanted.unmet > 0) return true;
  return false;
}

/** Most events come long before anything can be late: then nobody is looked at. */
function watch(state: SchedulerState): void {
  state.watchAtMs = Infinity;
  watchFlights(state);
  watchAsks(state);
  state.watchAtMs = Math.min(state.watchAtMs, nextWatchMs(state));
}

function take(state: SchedulerState, event: FetchEvent): void {
  switch (event.kind) {
    case 'fetch':
      for (const { descriptor, known } of event.wants) {
        packFor(state, descriptor);
        for (const { peer, masks } of known?.shown ?? []) takeHaves(state, peer, descriptor.id, masks);
        if (known) takeElsewhere(state, descriptor.id, known.elsewhere);
        if (known) takeWanters(state, descriptor.id, known.wanters, known.nearWanters);
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
      joinPeer(state, event.peer, event.role, event.isNear ?? false);
      return;
    case 'peerLeft':
      losePeer(state, event.peer);
      return;
    case 'peerHas':
      takeHaves(state, event.peer, event.pack, event.masks);
      return;
    case 'peerChanged':
      takeChanges(state, event);
      return;
    case 'elsewhere':
      takeElsewhere(state, event.pack, event.masks);
      return;
    case 'wanters':
      takeWanters(state, event.pack, event.members, event.near);
      return;
    case 'members':
      setMembers(state, event);
      return;
    case 'seeders':
      state.lease.knownSeeders = event.count;
      return;
    case 'rates':
      state.downloadBytesPerSecond = event.downloadBytesPerSecond;
      state.filled = { ...state.filled, flights: -1 };
      return;
    case 'originAllowance':
      setAllowance(state, event);
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

function excuse(state: SchedulerState, ms: number): void {
  for (const flight of state.flights.all.values())
    flight.progressAtMs = Math.min(state.nowMs, flight.progressAtMs + ms);
  for (const run of state.flights.runs.values()) run.progressAtMs = Math.min(state.nowMs, run.progressAtMs + ms);
  for (const seeder of state.seeders) {
    for (const ask of asksOf(seeder)) ask.progressAtMs = Math.min(state.nowMs, ask.progressAtMs + ms);
  }
}

/** No connected peer has what is open, but some member does. */
function seekHolders(state: SchedulerState): void {
  if (state.totals.distant === 0 || state.seekNotBeforeMs > state.nowMs) return;
  // A pack that no connected peer shows at all will not come nearer by itself. Single pieces mostly do.
  const hasRoom = windowRoom(state) > 0;
  const packs = [...state.packs.values()].filter(
    ({ wanted }) => wanted.distant > 0 && (hasRoom || !wanted.isShownHere()),
  );
  const pack = packs[pickIndex(state.random, packs.length)]?.wanted;
  if (!pack) return;
  const count = pack.need.length;
  const start = pickIndex(state.random, count);
  for (let i = 0; i < count; i += 1) {
    const piece = (start + i) % count;
    if ((pack.open(piece) & ~(pack.shown[piece] ?? 0) & (pack.elsewhere[piece] ?? 0)) === 0) continue;
    if (pack.crossings[piece] === 0) continue;
    state.seekNotBeforeMs = state.nowMs + state.options.seekPauseMs;
    state.actions.push({ kind: 'seek', pack: pack.descriptor.id, piece });
    return;
  }
  state.seekNotBeforeMs = state.nowMs + state.options.seekPauseMs; // a zone mate fetches it
}

function loadOf(state: SchedulerState): SchedulerLoad {
  const peers = [...state.peers.values()];
  return {
    fetches: state.fetches.size,
    packs: state.packs.size,
    requests: state.flights.windowUsed,
    landing: state.flights.landing,
    asks: peers.reduce((sum, peer) => sum + asksOf(peer).length, 0),
    unmetPieces: state.totals.unmet,
    parkedPeers: peers.filter((peer) => peer.parkedUntilMs !== undefined).map((peer) => peer.id),
    pieceTimeMs: state.pieceTimeMs.mean,
  };
}
