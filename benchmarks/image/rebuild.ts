import { join } from 'node:path';
import { reportOf } from '../bench.ts';
import type { Bench } from '../bench.ts';
import { runOurs } from '../processes.ts';
import { againstCp, imageParts } from './against-cp.ts';

/** An image out of a store whose packs are in the page cache: read, every chunk hashed, written. */
export const rebuild: Bench = {
  about: 'an image out of a warm store, against cp of the file',
  parts: imageParts,
  run: async (options) =>
    reportOf(
      await againstCp('rebuild', options, async ({ name, path }, encoding) => {
        const store = join(options.directory, `store of ${name}`);
        const warmUp = [path, join(options.directory, 'warm-up')];
        await runOurs({ doing: 'ingest', store, path, isDurable: true, warmUp, encoding }, options.signal);
        return (isDurable, target) =>
          runOurs({ doing: 'rebuild', store, path: target, isDurable, warmUp, encoding }, options.signal);
      }),
    ),
};
