import type { OriginAllowance } from '../budget/budget-events.ts';
import type { SchedulerState } from './scheduler-state.ts';
import { breakOffRun } from './watch-flights.ts';

export function setAllowance(state: SchedulerState, { bytesPerSecond, reads, keepReads }: OriginAllowance): void {
  const { lease, flights } = state;
  if (bytesPerSecond > 0) lease.lookNotBeforeMs = 0;
  lease.allowance = { bytesPerSecond, reads, keepReads };
  for (const run of [...flights.runs.values()].reverse()) {
    if (flights.runs.size <= keepReads) return;
    breakOffRun(state, run);
  }
}

/** How many reads may be under way. */
export function allowedReads({ lease, options }: SchedulerState): number {
  const { bytesPerSecond, reads } = lease.allowance;
  return bytesPerSecond > 0 ? Math.min(options.leaseReads, reads) : 0;
}

/** Says what this node would read if it might, when that has changed. */
export function tellDemand(state: SchedulerState): void {
  const { lease, flights, options } = state;
  if (state.totals.unmet === 0) lease.wantsMore = false;
  const heldReads = flights.runs.size;
  const wantsReads = lease.wantsMore ? options.leaseReads : heldReads;
  const { told } = lease;
  if (wantsReads === told.wantsReads && heldReads === told.heldReads) return;
  lease.told = { wantsReads, heldReads };
  state.actions.push({ kind: 'originDemand', wantsReads, heldReads });
}
