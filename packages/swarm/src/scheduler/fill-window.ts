import type { Flight } from './flight.ts';
import type { SchedulerPeer } from './scheduler-peer.ts';
import { grainFor, partsOf } from './piece-grain.ts';
import { roomForFar } from './plan-crossings.ts';
import { availableFor, preferredFetch } from './prefer-short.ts';
import { pickIndex, watchFrom } from './scheduler-state.ts';
import type { FetchState, SchedulerState } from './scheduler-state.ts';
import type { WantedPack } from './wanted-pack.ts';

const LIMITED_WINDOW_MS = 1000;
/** Two at once below this would take most of the minute that a request may take. */
const MIN_PIECES_PER_WINDOW = 0.05;

interface PieceChoice {
  readonly pack: WantedPack;
  readonly piece: number;
  readonly mask: number;
}

/**
 * Fills the window: of a few random useful peers take the least loaded, then of a few random pieces of its own the one that fewest others
 * hold. Peer first is as good as rarest first over all (prototype: 1.07 each), and looks at 24 peers instead of 24 × pieces.
 */
export function fillWindow(state: SchedulerState): void {
  const { filled, flights, totals, nowMs } = state;
  if (filled.flights === flights.version && filled.gains === totals.gains && nowMs < filled.untilMs) return;
  askPeers(state);
  state.filled = { flights: flights.version, gains: totals.gains, untilMs: nextFillMs(state) };
}

/** When somebody may be asked who may not be asked now. */
function nextFillMs(state: SchedulerState): number {
  const { nowMs } = state;
  if (windowRoom(state) <= 0) return Infinity;
  let nextMs = Infinity;
  for (const peer of state.peers.values()) {
    if (peer.available > 0 && peer.notBeforeMs > nowMs) nextMs = Math.min(nextMs, peer.notBeforeMs);
  }
  return nextMs;
}

function askPeers(state: SchedulerState): void {
  for (let room = windowRoom(state); room > 0; room -= 1) {
    const sole = chooseSole(state);
    if (sole) {
      sendRequest(state, sole.peer, sole.choice, undefined);
      continue;
    }
    const { near, far } = askable(state);
    const shortest = preferredFetch(state);
    if (shortest) {
      const helps = (peer: SchedulerPeer): boolean => availableFor(peer, shortest) > 0;
      const peer = leastLoaded(state, far.filter(helps)) ?? leastLoaded(state, near.filter(helps));
      const choice = peer && choosePiece(state, peer, shortest);
      if (choice) {
        sendRequest(state, peer, choice, undefined);
        continue;
      }
    }
    // What must cross goes first: the whole zone waits for it.
    const peer = leastLoaded(state, far) ?? leastLoaded(state, near);
    const choice = peer && choosePiece(state, peer);
    if (!choice) return;
    sendRequest(state, peer, choice, undefined);
  }
}

/** Places left. What has arrived and is still being written counts once it is more than a window: the disk is behind. */
export function windowRoom(state: SchedulerState): number {
  const { flights } = state;
  const window = Math.min(state.pace.slots.window, piecesWithinLimit(state));
  return window - flights.windowUsed - Math.max(0, flights.landing - window);
}

/**
 * The limit on what is received is held byte by byte where the answers are read (transfer/receiving.ts). Here only so much is asked for at once as comes
 * within a second: more would wait half-way, and keep senders' slots and memory from others.
 */
function piecesWithinLimit({ pace, downloadBytesPerSecond }: SchedulerState): number {
  const pieces = (downloadBytesPerSecond * LIMITED_WINDOW_MS) / 1000 / pace.pieceBytes;
  // Two, so that one arrives while the next is on its way; but not where even one takes long.
  return pieces < MIN_PIECES_PER_WINDOW ? 1 : Math.max(2, Math.ceil(pieces));
}

/** A second source for a flight that makes no progress. */
export function hedge(state: SchedulerState, flight: Flight): boolean {
  const mask = flight.mask & (flight.pack.need[flight.piece] ?? 0);
  const hasAll = (peer: SchedulerPeer): boolean =>
    ((peer.packs.get(flight.pack)?.masks[flight.piece] ?? 0) & mask) === mask;
  const isSecond = (peer: SchedulerPeer): boolean => peer !== flight.peer && hasAll(peer);
  const { near, far } = askable(state, isSecond);
  const peer = leastLoaded(state, near) ?? leastLoaded(state, far);
  if (!peer || mask === 0) return false;
  sendRequest(state, peer, { pack: flight.pack, piece: flight.piece, mask }, flight);
  return true;
}

/**
 * Peers that may be asked now, of this zone and of others. With many useful peers each is asked for one piece at a time (two: 0.03 more at 20 and at
 * 100 nodes), with few for more. One pass: it is made for every request. A hedge may be of what is not open any more.
 */
function askable(
  state: SchedulerState,
  isSecond?: (peer: SchedulerPeer) => boolean,
): { readonly near: SchedulerPeer[]; readonly far: SchedulerPeer[] } {
  const { window, slots } = state.pace.slots;
  const near: SchedulerPeer[] = [];
  const far: SchedulerPeer[] = [];
  let useful = 0;
  for (const peer of state.peers.values()) {
    if (peer.available > 0 || peer.outstanding > 0) useful += 1;
    if (peer.notBeforeMs > state.nowMs || !(isSecond ? isSecond(peer) : peer.available > 0)) continue;
    if (peer.isNear) near.push(peer);
    else far.push(peer);
  }
  const perPeer = Math.min(Math.ceil(slots / 2), Math.ceil(window / Math.max(1, useful)));
  const hasPlace = (peer: SchedulerPeer): boolean => peer.outstanding < perPeer;
  const mayCross = isSecond !== undefined || far.length === 0 || roomForFar(state) > 0;
  return { near: near.filter(hasPlace), far: mayCross ? far.filter(hasPlace) : [] };
}

/** Of a few at random the least loaded. Takes those it looks at from the list. */
function leastLoaded(state: SchedulerState, eligible: SchedulerPeer[]): SchedulerPeer | undefined {
  let best: SchedulerPeer | undefined;
  for (let i = 0; i < state.options.sampledPeers && eligible.length > 0; i += 1) {
    const at = pickIndex(state.random, eligible.length);
    const peer = eligible[at] as SchedulerPeer;
    eligible[at] = eligible[eligible.length - 1] as SchedulerPeer;
    eligible.pop();
    if (!best || loadOf(peer) < loadOf(best)) best = peer;
  }
  return best;
}

/**
 * Packs that one peer alone shows, as the one that shelved a snapshot does: that peer is kept busy with its share of the window all the time, or its
 * pieces are what is left at the end, to be had over one link.
 */
function chooseSole(state: SchedulerState): { readonly peer: SchedulerPeer; readonly choice: PieceChoice } | undefined {
  if (state.packs.size < 2) return undefined;
  let missingChunks = 0;
  for (const fetch of state.fetches.values()) missingChunks += fetch.missingChunks;
  for (const { wanted } of state.packs.values()) {
    const sole = wanted.soleShower();
    const peer = sole && state.peers.get(sole.peer.id);
    if (!peer || peer.notBeforeMs > state.nowMs || (!peer.isNear && roomForFar(state) <= 0)) continue;
    const share = (sole.available * wanted.descriptor.chunksPerPiece) / Math.max(1, missingChunks);
    if (peer.outstanding > Math.ceil(share * state.pace.slots.window)) continue;
    const choice = choosePieceOf(state, peer, wanted);
    if (choice) return { peer, choice };
  }
  return undefined;
}

function loadOf(peer: SchedulerPeer): number {
  return peer.outstanding * 2 + peer.queueHint;
}

/** Every open piece of the peer is equally likely to be looked at first, whatever pack it is in. */
function choosePiece(state: SchedulerState, peer: SchedulerPeer, of?: FetchState): PieceChoice | undefined {
  let skip = pickIndex(state.random, of ? availableFor(peer, of) : peer.available);
  for (const [pack, { available }] of peer.packs) {
    if (of && !of.needs.has(pack)) continue;
    if (skip >= available) {
      skip -= available;
      continue;
    }
    return choosePieceOf(state, peer, pack);
  }
  return undefined;
}

/** Of a few random pieces that the peer shows the one that fewest others do. */
function choosePieceOf(state: SchedulerState, peer: SchedulerPeer, pack: WantedPack): PieceChoice | undefined {
  const masks = peer.packs.get(pack)?.masks;
  if (!masks) return undefined;
  const count = masks.length;
  const start = pickIndex(state.random, count);
  const grain = grainOf(state, pack);
  let best: PieceChoice | undefined;
  let fewest = Infinity;
  let looked = 0;
  for (let i = 0; i < count && looked < state.options.sampledPieces; i += 1) {
    const piece = (start + i) % count;
    const mask = pack.openTo(peer, piece) & (masks[piece] ?? 0);
    if (mask === 0) continue;
    looked += 1;
    for (const part of partsOf(mask, grain)) {
      const holders = grain === Infinity ? (pack.holders[piece] ?? 0) : pack.holdersOf(piece, part);
      if (holders >= fewest) continue;
      fewest = holders;
      best = { pack, piece, mask: part };
    }
  }
  return best;
}

/** How many chunks of a piece are asked for at once: no fewer than keep the link busy for a while, but of a frame there are no parts. */
function grainOf(state: SchedulerState, pack: WantedPack): number {
  return pack.hasFrames === false
    ? grainFor(pack.descriptor, state.pace.linkBytesPerSecond, state.options.minPartChunks)
    : Infinity;
}

function sendRequest(state: SchedulerState, peer: SchedulerPeer, choice: PieceChoice, twin: Flight | undefined): void {
  const { pack, piece, mask } = choice;
  const flight: Flight = {
    request: state.nextRequest,
    source: 'peer',
    peer,
    pack,
    piece,
    mask,
    startedAtMs: state.nowMs,
    progressAtMs: state.nowMs,
    longestGapMs: 0,
    twin,
    isHedge: twin !== undefined,
    hedgeNotBeforeMs: 0,
    isLanding: false,
  };
  state.nextRequest += 1;
  if (twin) twin.twin = flight;
  state.flights.add(flight);
  watchFrom(state, state.nowMs + state.options.minHedgeMs);
  state.actions.push({
    kind: 'request',
    request: flight.request,
    peer: peer.id,
    pack: pack.descriptor.id,
    piece,
    mask,
    isHedge: flight.isHedge,
  });
}
