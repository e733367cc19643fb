import { windowRoom } from './fill-window.ts';
import type { SchedulerState } from './scheduler-state.ts';
import { giveUpAtMs } from './track-fetches.ts';
import { hedgeAfterMs, hedgeDueMs, stallAfterMs } from './watch-flights.ts';

/** How often leases and seeks are looked at while they wait for their turn. */
const IDLE_LOOK_MS = 50;

/** The earliest moment at which time alone changes a decision. Walks flights and peers, never pieces. */
export function nextWakeMs(state: SchedulerState): number | undefined {
  if (state.fetches.size === 0) return undefined;
  const { nowMs, options } = state;
  let wakeMs = Infinity;
  const at = (ms: number): void => {
    if (ms > nowMs && ms < wakeMs) wakeMs = ms; // what was due at nowMs has been done
  };
  const patienceMs = hedgeAfterMs(state);
  for (const flight of state.flights.all.values()) {
    if (flight.isLanding) continue;
    if (flight.source === 'lastResort') at(flight.startedAtMs + options.leaseDeadlineMs);
    else {
      at(Math.min(flight.progressAtMs + stallAfterMs(state), flight.startedAtMs + options.requestDeadlineMs));
      if (!flight.twin) at(hedgeDueMs(flight, patienceMs));
    }
  }
  const hasRoom = windowRoom(state) > 0;
  const needsAsk = state.totals.unmet > 0;
  for (const peer of state.peers.values()) {
    const { ask } = peer.seeder;
    if (peer.parkedUntilMs !== undefined && peer.parkedUntilMs !== Infinity) at(peer.parkedUntilMs);
    if (ask) at(ask.progressAtMs + options.askStallMs);
    else if (peer.role === 'seeder' && needsAsk) at(Math.max(peer.seeder.notBeforeMs, state.pacedUntilMs));
    if (hasRoom && peer.available > 0) at(Math.max(peer.notBeforeMs, state.pacedUntilMs));
  }
  if (needsAsk) at(Math.max(nowMs + IDLE_LOOK_MS, state.lease.notBeforeMs));
  if (state.totals.distant > 0) at(Math.max(nowMs + IDLE_LOOK_MS, state.seekNotBeforeMs));
  // Looked at by ticks alone: one that came due at another event still needs its tick.
  for (const fetch of state.fetches.values()) at(Math.max(giveUpAtMs(state, fetch), nowMs + 1));
  return wakeMs === Infinity ? undefined : wakeMs;
}
