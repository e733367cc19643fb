import type { SchedulerPeer } from './scheduler-peer.ts';
import type { WantedPack } from './wanted-pack.ts';

/** Chunks on their way to this node: asked of a peer, given by a seeder, or read from the last resort. */
export interface Flight {
  readonly request: number;
  /** `lastResort` only while it is being written: until then it is a part of a RunFlight. */
  readonly source: 'peer' | 'seeder' | 'lastResort';
  /** Undefined for what came from the last resort. */
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

/** A piece of a run; its own number stands for it from its arrival on. */
export interface RunPiece {
  readonly request: number;
  readonly piece: number;
  readonly mask: number;
}

/** Consecutive pieces that are being read from the last resort in one go. */
export interface RunFlight {
  readonly request: number;
  readonly pack: WantedPack;
  readonly run: number;
  /** What has not arrived yet, by request. */
  readonly left: Map<number, RunPiece>;
  readonly startedAtMs: number;
  /** When its last piece arrived, or when it began. */
  pieceAtMs: number;
  progressAtMs: number;
}

/** All flights of a node; at most a few times the window, so that walking them is cheap. Keeps each pack's `flying` right. */
export interface FlightTable {
  readonly all: ReadonlyMap<number, Flight>;
  /** Places of the window that are taken: two requests for the same chunks take one. */
  readonly windowUsed: number;
  readonly landing: number;
  /** Grows whenever a request begins or ends: places may be free that were not. */
  readonly version: number;
  readonly runs: ReadonlyMap<number, RunFlight>;
  add(flight: Flight): void;
  remove(flight: Flight): void;
  /** It has arrived: its place in the window is free, its chunks stay taken until they are written. */
  land(flight: Flight): void;
  addRun(run: RunFlight): void;
  /** What has not arrived of it is open again. */
  removeRun(run: RunFlight): void;
  /** The run that a request stands for, or is a piece of. */
  findRun(request: number): RunFlight | undefined;
  /** A piece of the run has arrived; with the last one the run is over. */
  landRunPiece(run: RunFlight, piece: RunPiece, nowMs: number): void;
}

export function createFlightTable(): FlightTable {
  const all = new Map<number, Flight>();
  let windowUsed = 0;
  let landing = 0;
  const runs = new Map<number, RunFlight>();
  let version = 0;
  const countOut = (flight: Flight, step: 1 | -1): void => {
    version += 1;
    if (flight.isLanding) landing += step;
    else if (flight.source === 'peer') {
      if (!flight.isHedge) windowUsed += step;
      if (flight.peer) flight.peer.outstanding += step;
    }
  };
  const refreshFlying = (pack: WantedPack, piece: number): void => {
    let mask = 0;
    for (const flight of all.values()) if (flight.pack === pack && flight.piece === piece) mask |= flight.mask;
    for (const run of runs.values()) {
      if (run.pack !== pack) continue;
      for (const one of run.left.values()) if (one.piece === piece) mask |= one.mask;
    }
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
    get version() {
      return version;
    },
    runs,
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
    addRun(run) {
      runs.set(run.request, run);
      for (const { piece } of run.left.values()) refreshFlying(run.pack, piece);
    },
    removeRun(run) {
      if (!runs.delete(run.request)) return;
      for (const { piece } of run.left.values()) refreshFlying(run.pack, piece);
    },
    findRun(request) {
      for (const run of runs.values()) if (run.request === request || run.left.has(request)) return run;
      return undefined;
    },
    landRunPiece(run, { request, piece, mask }, nowMs) {
      run.left.delete(request);
      if (run.left.size === 0) runs.delete(run.request);
      all.set(request, {
        request,
        source: 'lastResort',
        peer: undefined,
        pack: run.pack,
        piece,
        mask,
        startedAtMs: run.startedAtMs,
        progressAtMs: nowMs,
        longestGapMs: 0,
        twin: undefined,
        isHedge: false,
        hedgeNotBeforeMs: 0,
        isLanding: true,
      });
      landing += 1;
    },
  };
}
