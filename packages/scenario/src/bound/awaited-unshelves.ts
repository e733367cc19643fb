import type { Storm } from '../storm.ts';

/**
 * By unshelve: whether the bound waits for it. Not where its host lies, or dies after it arrived, even if it starts again: whoever runs the storm may
 * go on with that one or not, and the bound has to hold either way.
 */
export function awaitedUnshelves(storm: Storm): boolean[] {
  const liars = new Set<number>();
  const lastDeathMs = new Map<number, number>();
  for (const fault of storm.faults) {
    if (fault.kind === 'lie') liars.add(fault.host);
    if (fault.kind === 'kill')
      lastDeathMs.set(fault.host, Math.max(fault.atMs, lastDeathMs.get(fault.host) ?? -Infinity));
  }
  return storm.unshelves.map(({ host, atMs }) => !liars.has(host) && !((lastDeathMs.get(host) ?? -Infinity) >= atMs));
}
