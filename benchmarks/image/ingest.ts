import { join } from 'node:path';
import { againstCp } from './against-cp.ts';
import { reportOf } from '../bench.ts';
import type { Bench } from '../bench.ts';
import { contentNames } from '../contents.ts';
import { runOurs } from '../processes.ts';

/** A file in the page cache into an empty store: cut, hashed, looked up, packed, published. */
export const ingest: Bench = {
  about: 'a file into an empty store, against cp of the file',
  parts: contentNames,
  run: async (options) =>
    reportOf(
      await againstCp('ingest', options, async ({ path }) => {
        const warmUp = [path, join(options.directory, 'warm-up')];
        return (isDurable, store) => runOurs({ doing: 'ingest', store, path, isDurable, warmUp }, options.signal);
      }),
    ),
};
