import { join } from 'node:path';
import { againstCp } from './against-cp.ts';
import { reportOf } from '../bench.ts';
import type { Bench } from '../bench.ts';
import { contentNames } from '../contents.ts';
import { runOurs } from '../processes.ts';

/** An image out of a store whose packs are in the page cache: read, every chunk hashed, written. */
export const rebuild: Bench = {
  about: 'an image out of a warm store, against cp of the file',
  parts: contentNames,
  run: async (options) =>
    reportOf(
      await againstCp('rebuild', options, async ({ name, path }) => {
        const store = join(options.directory, `store of ${name}`);
        const warmUp = [path, join(options.directory, 'warm-up')];
        await runOurs({ doing: 'ingest', store, path, isDurable: true, warmUp }, options.signal);
        return (isDurable, target) =>
          runOurs({ doing: 'rebuild', store, path: target, isDurable, warmUp }, options.signal);
      }),
    ),
};
