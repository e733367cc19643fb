import type { Storm } from '../storm.ts';

/** By unshelve: whether the storm is not over before it is done. Not so where its host dies for good, or lies: nobody waits for those. */
export function mustFinish(storm: Storm): boolean[] {
  const lost = new Set<number>();
  for (const fault of storm.faults) {
    if (fault.kind === 'kill' || fault.kind === 'lie') lost.add(fault.host);
    if (fault.kind === 'restart') lost.delete(fault.host);
  }
  for (const fault of storm.faults) if (fault.kind === 'lie') lost.add(fault.host);
  return storm.unshelves.map(({ host }) => !lost.has(host));
}
