import type { FetchEvent } from './fetch-events.ts';
import { memberKey, pieceScore } from './rendezvous.ts';
import type { PackState, SchedulerState } from './scheduler-state.ts';

/**
 * Who comes first for a run among all members comes first among those who want it, whoever they are. So that node need not wait until it has heard who
 * they are: in a storm without a seeder reading begins at once. Without this rule a hundred nodes, each of which knows only its neighbours' wishes
 * in the first 300 ms, read each byte 2.5 times (simulated).
 */
export function isFirstOfAll(state: SchedulerState, pack: PackState, run: number): boolean {
  const { lease } = pack;
  lease.firsts ??= firstsOf(state, pack);
  return lease.firsts[run] === 1;
}

function firstsOf(state: SchedulerState, { lease, wanted }: PackState): Uint8Array {
  const firsts = new Uint8Array(lease.runs.length);
  const { members } = state.lease;
  if (members.length === 0) return firsts;
  const keys = members.map((member) => memberKey(member, wanted.descriptor.id));
  for (let run = 0; run < firsts.length; run += 1) {
    const own = pieceScore(lease.ownKey, run);
    firsts[run] = keys.some((key) => pieceScore(key, run) > own) ? 0 : 1;
  }
  return firsts;
}

export function setMembers(state: SchedulerState, event: FetchEvent & { readonly kind: 'members' }): void {
  state.lease.members = event.isSettled ? event.members : [];
  state.lease.newsMs = event.newsMs;
  for (const { lease } of state.packs.values()) lease.firsts = undefined;
}
