import type { Contestant } from '../contestant.ts';
import { StormError } from '../storm-error.ts';
import { createQuarry } from './quarry.ts';

/** @throws StormError STORM_BAD_ARGUMENT for a name that nobody has */
export function contestantOf(name: string): Contestant {
  if (name === 'quarry') return createQuarry();
  throw new StormError('STORM_BAD_ARGUMENT', `there is no contestant ${name}`);
}
