import type { Bound } from './bound-of.ts';

/** What each part of the bound is about, in the words of the output. */
const partNames: Readonly<Record<keyof Bound['parts'], string>> = {
  originMs: 'the origin’s link',
  nodeMs: 'the slowest host’s link',
  swarmMs: 'all uplinks together',
  holderMs: 'the hottest holder',
  zoneMs: 'the busiest zone’s link',
  arrivalMs: 'the last arrival',
};

/** The part of the bound that is as large as the bound. */
export function bindingPart(bound: Bound): string {
  const names = Object.keys(partNames) as (keyof Bound['parts'])[];
  return partNames[names.find((name) => bound.parts[name] === bound.boundMs) ?? 'nodeMs'];
}
