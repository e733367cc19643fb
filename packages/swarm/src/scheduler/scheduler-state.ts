import type { PackId } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import { unlimitedAllowance } from '../budget/budget-events.ts';
import type { OriginAllowance } from '../budget/budget-events.ts';
import type { PeerId } from '../ports/network.ts';
import type { CrossingState } from './crossing-state.ts';
import type { FetchAction, FetchEvent, FetchWant } from './fetch-events.ts';
import { createFlightTable } from './flight.ts';
import type { FlightTable } from './flight.ts';
import type { LeaseState } from './lease-state.ts';
import type { LinkPace } from './link-pace.ts';
import type { PieceMasks } from './piece-masks.ts';
import type { SchedulerOptions } from './scheduler-options.ts';
import type { SchedulerPeer } from './scheduler-peer.ts';
import { createSmoothed } from './smoothed.ts';
import type { Smoothed } from './smoothed.ts';
import type { PackTotals, WantedPack } from './wanted-pack.ts';

export interface FetchState {
  readonly fetch: number;
  readonly giveUpMs: number;
  /** What it still waits for, per pack. */
  readonly needs: Map<WantedPack, PieceMasks>;
  readonly wants: readonly FetchWant[];
  missingChunks: number;
  progressAtMs: number;
}

export interface PackState {
  readonly wanted: WantedPack;
  crossing: CrossingState | undefined;
  readonly fetches: Set<FetchState>;
  readonly lease: LeaseState;
  /** When anything of the pack last moved: bytes, or news of who has it. */
  progressAtMs: number;
}

/** All that a node's fetch scheduler knows. The modules beside this one each hold one rule and change it. */
export interface SchedulerState {
  readonly self: PeerId;
  readonly random: Random;
  readonly pace: LinkPace;
  readonly options: SchedulerOptions;
  nowMs: number;
  /** Filled while one event is handled. */
  actions: FetchAction[];
  readonly packs: Map<PackId, PackState>;
  readonly totals: PackTotals;
  readonly peers: Map<PeerId, SchedulerPeer>;
  /** Those of them that are seeders. */
  readonly seeders: Set<SchedulerPeer>;
  /** Peers that left with a stain; they get it back when they return. */
  readonly formerPeers: Map<PeerId, SchedulerPeer>;
  readonly fetches: Map<number, FetchState>;
  readonly flights: FlightTable;
  readonly pieceTimeMs: Smoothed;
  readonly gapMs: Smoothed;
  nextRequest: number;
  /** What peers have said since the window is full. */
  readonly news: Extract<FetchEvent, { readonly kind: 'peerChanged' }>[];
  /** No fetch gives up before. */
  giveUpAtMs: number;
  /** What was said last of when to be woken; Infinity: not at all. Undefined since something changed. */
  wakeAtMs: number | undefined;
  /** When the window was last filled, and from when on it is worth another look though nothing has changed. */
  filled: { readonly flights: number; readonly gains: number; readonly untilMs: number };
  /** No request, read or ask can be late before this, */
  watchAtMs: number;
  /** and no parked peer is due. */
  unparkAtMs: number;
  /** What this node may receive; Infinity: no limit. */
  downloadBytesPerSecond: number;
  readonly lease: {
    notBeforeMs: number;
    lookNotBeforeMs: number;
    /** Between two pieces of a run, here or elsewhere. */
    readonly gapMs: Smoothed;
    /** Rivals that were seen to read what was theirs: when last, and how far they are in the common order. */
    readonly readers: Map<PeerId, { readonly shownAtMs: number; readonly position: number }>;
    /** When any rival last let a new piece be seen; -Infinity if none has. */
    lastShownMs: number;
    pauseMs: number;
    allowance: OriginAllowance;
    /** A read could begin, were it allowed. */
    wantsMore: boolean;
    /** What was last said of it. */
    told: { readonly wantsReads: number; readonly heldReads: number };
    knownSeeders: number;
    /** Empty while this node cannot have heard of all. */
    members: readonly PeerId[];
    newsMs: number;
  };
  seekNotBeforeMs: number;
  readonly zone: {
    /** When each zone mate last let a piece be seen that it was first to fetch, of any pack. */
    readonly aliveAtMs: Map<PeerId, number>;
    /** How long pieces take from outside. */
    readonly pieceTimeMs: Smoothed;
    /** Since when the window has had room; undefined when it is full. */
    roomSinceMs: number | undefined;
  };
}

export function createSchedulerState(
  deps: { readonly self: PeerId; readonly random: Random; readonly pace: LinkPace },
  options: SchedulerOptions,
): SchedulerState {
  return {
    self: deps.self,
    random: deps.random,
    pace: deps.pace,
    options,
    nowMs: 0,
    actions: [],
    packs: new Map(),
    totals: { unmet: 0, distant: 0, gains: 0 },
    peers: new Map(),
    seeders: new Set(),
    formerPeers: new Map(),
    fetches: new Map(),
    flights: createFlightTable(),
    pieceTimeMs: createSmoothed(50),
    gapMs: createSmoothed(100),
    nextRequest: 1,
    news: [],
    giveUpAtMs: Infinity,
    wakeAtMs: undefined,
    filled: { flights: -1, gains: -1, untilMs: 0 },
    watchAtMs: Infinity,
    unparkAtMs: Infinity,
    downloadBytesPerSecond: Infinity,
    lease: {
      notBeforeMs: 0,
      lookNotBeforeMs: 0,
      gapMs: createSmoothed(options.maxLeaseRankMs),
      readers: new Map(),
      lastShownMs: -Infinity,
      pauseMs: 0,
      allowance: unlimitedAllowance,
      wantsMore: false,
      told: { wantsReads: 0, heldReads: 0 },
      knownSeeders: 0,
      members: [],
      newsMs: 0,
    },
    seekNotBeforeMs: 0,
    zone: { aliveAtMs: new Map(), pieceTimeMs: createSmoothed(250), roomSinceMs: undefined },
  };
}

/** A whole number from 0 to count - 1. */
export function pickIndex(random: Random, count: number): number {
  return Math.floor(random.next() * count);
}

/** Something new is under way that can be late from `atMs` on. */
export function watchFrom(state: SchedulerState, atMs: number): void {
  state.watchAtMs = Math.min(state.watchAtMs, atMs);
}
