import type { SchedulerState } from './scheduler-state.ts';
import { asksOf, mayAskAgain } from './standing-asks.ts';
import { hedgeAfterMs, hedgeDueMs, stallAfterMs } from './watch-flights.ts';

/** How often leases and seeks are looked at while they wait for their turn. */
const IDLE_LOOK_MS = 50;

/** The earliest moment at which time alone changes a decision. Walks flights and peers, never pieces. */
export function nextWakeMs(state: SchedulerState): number | undefined {
  if (state.fetches.size === 0) return undefined;
  const { nowMs } = state;
  let wakeMs = Infinity;
  const at = (ms: number): void => {
    if (ms > nowMs && ms < wakeMs) wakeMs = ms; // what was due at nowMs has been done
  };
  at(state.watchAtMs);
  at(state.unparkAtMs);
  const needsAsk = state.totals.unmet > 0;
  for (const seeder of state.seeders) {
    if (needsAsk && mayAskAgain(seeder)) at(seeder.seeder.notBeforeMs);
  }
  at(state.filled.untilMs);
  if (needsAsk) at(Math.max(nowMs + IDLE_LOOK_MS, state.lease.notBeforeMs));
  for (const { wanted, crossing } of state.packs.values()) if (crossing && wanted.waiting > 0) at(crossing.lookAtMs);
  if (state.totals.distant > 0) at(Math.max(nowMs + IDLE_LOOK_MS, state.seekNotBeforeMs));
  // Looked at by ticks alone: one that came due at another event still needs its tick.
  at(Math.max(state.giveUpAtMs, nowMs + 1));
  return wakeMs === Infinity ? undefined : wakeMs;
}

/** The earliest moment at which a request, a read or an ask can be late. New ones lower it themselves; progress only makes it later. */
export function nextWatchMs(state: SchedulerState): number {
  const { options } = state;
  const patienceMs = hedgeAfterMs(state);
  const stallMs = stallAfterMs(state);
  let watchMs = Infinity;
  for (const flight of state.flights.all.values()) {
    if (flight.isLanding) continue;
    const hedgeMs = flight.twin ? Infinity : hedgeDueMs(flight, patienceMs);
    watchMs = Math.min(watchMs, flight.progressAtMs + stallMs, flight.startedAtMs + options.requestDeadlineMs, hedgeMs);
  }
  for (const run of state.flights.runs.values()) watchMs = Math.min(watchMs, run.progressAtMs + options.leaseStallMs);
  for (const seeder of state.seeders) {
    for (const ask of asksOf(seeder)) watchMs = Math.min(watchMs, ask.progressAtMs + options.askStallMs);
  }
  return watchMs;
}
