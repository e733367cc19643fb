import type { Contestant } from '../contestant.ts';
import { StormError } from '../storm-error.ts';
import { createAria2 } from './aria2.ts';
import { contestantNames } from './contestant-names.ts';
import type { ContestantName } from './contestant-names.ts';
import { createDirect } from './direct.ts';
import { createLibtorrent } from './libtorrent.ts';
import { createQuarry } from './quarry.ts';
import { createRackCache } from './rack-cache.ts';
import { createSharedFile } from './shared-file.ts';

const factories: Readonly<Record<ContestantName, () => Contestant>> = {
  quarry: createQuarry,
  aria2: createAria2,
  libtorrent: createLibtorrent,
  'rack-cache': createRackCache,
  'shared-file': createSharedFile,
  direct: createDirect,
};

/** @throws StormError STORM_BAD_ARGUMENT for a name that nobody has */
export function contestantOf(name: string): Contestant {
  const known = contestantNames.find((candidate) => candidate === name);
  if (known !== undefined) return factories[known]();
  throw new StormError('STORM_BAD_ARGUMENT', `there is no contestant ${name}; there are ${contestantNames.join(', ')}`);
}
