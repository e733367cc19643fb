import { hedge } from './fill-window.ts';
import type { Flight, RunFlight } from './flight.ts';
import { parkStalled } from './peer-credit.ts';
import type { SchedulerPeer } from './scheduler-peer.ts';
import { watchFrom } from './scheduler-state.ts';
import type { SchedulerState } from './scheduler-state.ts';
import type { WantedPack } from './wanted-pack.ts';

/**
 * What has not moved: after hedgeMs a second source is asked and whoever arrives first wins; after stallMs the request is broken off and its
 * peer left alone. Progress is bytes, not time: a slow link is not a stall.
 */
export function watchFlights(state: SchedulerState): void {
  const { options, nowMs } = state;
  const patienceMs = hedgeAfterMs(state);
  const stallMs = stallAfterMs(state);
  for (const flight of state.flights.all.values()) {
    if (flight.isLanding || !state.flights.all.has(flight.request)) continue;
    const ageMs = nowMs - flight.startedAtMs;
    if (nowMs - flight.progressAtMs >= stallMs || ageMs >= options.requestDeadlineMs) {
      breakOff(state, flight);
      const { peer } = flight;
      if (peer && nowMs - peer.progressAtMs >= stallMs) leaveStalled(state, peer);
      else if (peer) peer.notBeforeMs = Math.max(peer.notBeforeMs, nowMs + options.minHedgeMs);
    } else if (!flight.twin && nowMs >= hedgeDueMs(flight, patienceMs)) {
      if (!hedge(state, flight)) flight.hedgeNotBeforeMs = nowMs + patienceMs / 2;
    }
  }
  for (const run of state.flights.runs.values()) {
    // A peer that was left alone may count again.
    if (isShown(run)) breakOffRun(state, run);
    else if (nowMs - run.progressAtMs >= options.leaseStallMs) {
      breakOffRun(state, run);
      pauseLeases(state, run);
    }
  }
}

function isShown({ pack, left }: RunFlight): boolean {
  return [...left.values()].some(({ piece, mask }) => (mask & (pack.shown[piece] ?? 0)) !== 0);
}

export function hedgeAfterMs(state: SchedulerState): number {
  const { minHedgeMs, maxHedgeMs, stallMs } = state.options;
  // Hosts that are short of CPU are not helped by being asked twice: the bound grows with the stall time.
  const boundMs = Math.max(maxHedgeMs, stallAfterMs(state) / 3);
  // On a slow link a request waits for a slot as long as pieces take there, and nothing is wrong (simulated at 20 Mbit/s: 1.3 % came twice, for nothing).
  const slowMs = Math.min(stallMs / 2, 2 * state.pieceTimeMs.mean);
  return Math.max(minHedgeMs, slowMs, Math.min(boundMs, state.gapMs.upper));
}

/** Where gaps between bytes are long everywhere, a long gap tells nothing about a peer. */
export function stallAfterMs(state: SchedulerState): number {
  const { stallMs, maxStallMs } = state.options;
  return Math.max(stallMs, Math.min(maxStallMs, 4 * state.gapMs.upper));
}

export function hedgeDueMs(flight: Flight, patienceMs: number): number {
  return Math.max(flight.progressAtMs + patienceMs, flight.hedgeNotBeforeMs);
}

export function breakOff(state: SchedulerState, flight: Flight): void {
  if (flight.twin) watchFrom(state, state.nowMs); // the other has no second source any more
  state.flights.remove(flight);
  state.actions.push({ kind: 'cancel', request: flight.request });
}

export function breakOffRun(state: SchedulerState, run: RunFlight): void {
  state.flights.removeRun(run);
  state.actions.push({ kind: 'cancel', request: run.request });
}

/**
 * A run of which a peer comes to show a piece that has not arrived here is broken off: whoever has that piece read it, is ahead, and will read the rest.
 * What is still shown by nobody is open again, under the same rules as any run.
 */
export function breakOffShown(state: SchedulerState, pack: WantedPack, fresh: readonly number[]): void {
  for (const run of state.flights.runs.values()) {
    if (run.pack !== pack) continue;
    const isShown = [...run.left.values()].some(
      ({ piece, mask }) => fresh.includes(piece) && (mask & (pack.shown[piece] ?? 0)) !== 0,
    );
    if (isShown) breakOffRun(state, run);
  }
}

/** After a read that failed: the whole last resort rests, and this run for longer, or one that cannot be read would keep the others from being tried. */
export function pauseLeases(state: SchedulerState, run: RunFlight): void {
  const { lease, options, nowMs } = state;
  lease.pauseMs = Math.min(
    options.maxLeasePauseMs,
    lease.pauseMs === 0 ? options.firstLeasePauseMs : lease.pauseMs * 2,
  );
  lease.notBeforeMs = Math.max(lease.notBeforeMs, nowMs + lease.pauseMs);
  const page = state.packs.get(run.pack.descriptor.id)?.lease.runs[run.run];
  if (page) page.notBeforeMs = nowMs + 2 * lease.pauseMs;
}

/** Everything else that was asked of it would stall too. */
export function leaveStalled(state: SchedulerState, peer: SchedulerPeer): void {
  if (peer.parkedUntilMs !== undefined) return;
  parkStalled(state, peer);
  for (const flight of state.flights.all.values()) {
    if (flight.peer === peer && flight.source === 'peer' && !flight.isLanding) breakOff(state, flight);
  }
}
