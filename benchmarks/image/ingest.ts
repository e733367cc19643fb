import { join } from 'node:path';
import { reportOf } from '../bench.ts';
import type { Bench } from '../bench.ts';
import { runOurs } from '../processes.ts';
import { againstCp, imageParts } from './against-cp.ts';

/** A file in the page cache into an empty store: cut, hashed, looked up, packed, published. */
export const ingest: Bench = {
  about: 'a file into an empty store, against cp of the file, and with encoded pieces against zstd -1 -T2',
  parts: imageParts,
  run: async (options) =>
    reportOf(
      await againstCp('ingest', options, async ({ path }, encoding) => {
        const warmUp = [path, join(options.directory, 'warm-up')];
        return (isDurable, store) =>
          runOurs({ doing: 'ingest', store, path, isDurable, warmUp, encoding }, options.signal);
      }),
    ),
};
