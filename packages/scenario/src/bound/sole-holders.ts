import { addPackSets, commonPackSets, minusPackSets } from '../pack-sets.ts';
import type { PackSets } from '../pack-sets.ts';
import type { Storm, StormFault } from '../storm.ts';

export interface SoleHolder {
  readonly host: number;
  /** What it holds and no other host does. */
  readonly sole: PackSets;
}

/** The hosts that hold something that no other holds, without those that a fault touches. `held`: by host. */
export function soleHolders(storm: Storm, held: readonly PackSets[]): SoleHolder[] {
  const once: PackSets = new Map();
  const twice: PackSets = new Map();
  for (const sets of held) {
    addPackSets(twice, commonPackSets(sets, once));
    addPackSets(once, sets);
  }
  const touched = new Set(storm.faults.flatMap(hostsOf));
  return held.flatMap((sets, host) => {
    if (touched.has(host)) return [];
    const sole = minusPackSets(sets, twice);
    return sole.size === 0 ? [] : [{ host, sole }];
  });
}

function hostsOf(fault: StormFault): readonly number[] {
  if (fault.kind === 'partition') return fault.hosts;
  return 'host' in fault ? [fault.host] : [];
}
