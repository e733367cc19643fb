import type { SchedulerPeer } from './scheduler-peer.ts';
import type { FetchState, SchedulerState } from './scheduler-state.ts';

/** A fetch to which nothing has come for so long gets its share again: many small ones must not starve a large one. */
const STARVING_MS = 5000;

/**
 * Of several fetches the one that misses least is served first: shortest remaining time first makes the sum of their times the least there can be
 * (Schrage 1968), and a small image does not take as long as the large one beside it. Undefined where all are to share: there is but one, or one starves.
 */
export function preferredFetch(state: SchedulerState): FetchState | undefined {
  if (state.fetches.size < 2) return undefined;
  let shortest: FetchState | undefined;
  for (const fetch of state.fetches.values()) {
    if (state.nowMs - fetch.progressAtMs > STARVING_MS) return undefined;
    if (!shortest || fetch.missingChunks < shortest.missingChunks) shortest = fetch;
  }
  return shortest;
}

/** How many pieces of what a fetch needs the peer may be asked for now. */
export function availableFor(peer: SchedulerPeer, fetch: FetchState): number {
  let available = 0;
  for (const pack of fetch.needs.keys()) available += peer.packs.get(pack)?.available ?? 0;
  return available;
}
