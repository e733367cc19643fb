import type { SchedulerPeer } from './scheduler-peer.ts';
import type { WantedPack } from './wanted-pack.ts';

/** Chunks on their way to this node: asked of a peer, given by a seeder, or read from the last resort. */
export interface Flight {
  readonly request: number;
  readonly source: 'peer' | 'seeder' | 'lastResort';
  /** Undefined for a read from the last resort. */
  readonly peer: SchedulerPeer | undefined;
  readonly pack: WantedPack;
  readonly piece: number;
  readonly mask: number;
  readonly startedAtMs: number;
  progressAtMs: number;
  /** The longest time without progress so far. */
  longestGapMs: number;
  /** The other request for the same chunks, if there are two. */
  twin: Flight | undefined;
  isHedge: boolean;
  /** When to look for a second source again, if there was none. */
  hedgeNotBeforeMs: number;
  /** Arrived and verified, being written. */
  isLanding: boolean;
}

/** All flights of a node; at most a few times the window, so that walking them is cheap. Keeps each pack's `flying` right. */
export interface FlightTable {
  readonly all: ReadonlyMap<number, Flight>;
  /** Places of the window that are taken: two requests for the same chunks take one. */
  readonly windowUsed: number;
  readonly landing: number;
  readonly lastResortReads: number;
  add(flight: Flight): void;
  remove(flight: Flight): void;
  /** It has arrived: its place in the window is free, its chunks stay taken until they are written. */
  land(flight: Flight): void;
}

export function createFlightTable(): FlightTable {
  const all = new Map<number, Flight>();
  let windowUsed = 0;
  let landing = 0;
  let lastResortReads = 0;
  const countOut = (flight: Flight, step: 1 | -1): void => {
    if (flight.isLanding) landing += step;
    else if (flight.source === 'lastResort') lastResortReads += step;
    else if (flight.source === 'peer') {
      if (!flight.isHedge) windowUsed += step;
      if (flight.peer) flight.peer.outstanding += step;
    }
  };
  const refreshFlying = (pack: WantedPack, piece: number): void => {
    let mask = 0;
    for (const flight of all.values()) if (flight.pack === pack && flight.piece === piece) mask |= flight.mask;
    if (mask !== pack.flying[piece]) pack.setFlying(piece, mask);
  };
  const untwin = (flight: Flight): void => {
    const { twin } = flight;
    if (!twin) return;
    flight.twin = undefined;
    twin.twin = undefined;
    if (!twin.isHedge || twin.isLanding) return;
    twin.isHedge = false; // it inherits the place in the window
    windowUsed += 1;
  };
  return {
    all,
    get windowUsed() {
      return windowUsed;
    },
    get landing() {
      return landing;
    },
    get lastResortReads() {
      return lastResortReads;
    },
    add(flight) {
      all.set(flight.request, flight);
      countOut(flight, 1);
      refreshFlying(flight.pack, flight.piece);
    },
    remove(flight) {
      if (!all.delete(flight.request)) return;
      countOut(flight, -1);
      untwin(flight);
      refreshFlying(flight.pack, flight.piece);
    },
    land(flight) {
      countOut(flight, -1);
      untwin(flight);
      flight.isLanding = true;
      landing += 1;
    },
  };
}
