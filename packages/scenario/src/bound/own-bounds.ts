import type { Storm } from '../storm.ts';
import type { Demand } from './storm-demand.ts';

export function ownBounds(storm: Storm, demands: readonly Demand[]): number[] {
  void demands;
  return storm.unshelves.map(() => 0);
}
