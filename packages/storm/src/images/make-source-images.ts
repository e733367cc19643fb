import { createHash } from 'node:crypto';
import { link, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '@quarry/content';
import type { Storm, StormRun } from '@quarry/scenario';
import type { SourceImage, SourceImages } from '../source-images.ts';
import { writeChunk } from './chunk-content.ts';
import type { Content } from './chunk-content.ts';
import { countWrongBytes } from './count-wrong-bytes.ts';

export interface SourceImagesOptions {
  /** Made if it is not there. */
  readonly directory: string;
  readonly content: Content;
  /** Of 32 bits. */
  readonly seed: number;
  readonly signal: AbortSignal;
}

const CHUNK = limits.fixedChunkBytes;
/** Written at a time. */
const BATCH_CHUNKS = 16;

/** Makes the files, one after the other: hashing is the larger part of it. Images of the same chunks are one file under several names. */
export async function makeSourceImages(storm: Storm, options: SourceImagesOptions): Promise<SourceImages> {
  await mkdir(options.directory, { recursive: true });
  const files: SourceImage[] = [];
  const made = new Map<string, SourceImage>();
  for (const { name, runs } of storm.images) {
    const path = join(options.directory, `${name}.img`);
    const same = made.get(JSON.stringify(runs));
    const file = same ? { ...same, name, path } : { name, path, ...(await makeFile(path, runs, options)) };
    if (same) await link(same.path, path);
    made.set(JSON.stringify(runs), file);
    files.push(file);
  }
  return {
    files,
    async countWrongBytes(image, file, { signal }) {
      const source = files[image];
      if (source === undefined) throw new RangeError(`there is no image ${image}`);
      return await countWrongBytes(source.path, file, { signal });
    },
  };
}

async function makeFile(
  path: string,
  runs: readonly StormRun[],
  { content, seed, signal }: SourceImagesOptions,
): Promise<Pick<SourceImage, 'sizeBytes' | 'sha512'>> {
  const hash = createHash('sha512');
  const batch = Buffer.allocUnsafe(BATCH_CHUNKS * CHUNK);
  const file = await open(path, 'wx');
  let sizeBytes = 0;
  let filled = 0;
  const flush = async (): Promise<void> => {
    signal.throwIfAborted();
    const bytes = batch.subarray(0, filled);
    hash.update(bytes);
    await file.writeFile(bytes); // all of it, or it throws: on a full disk nobody would be told of a short write
    sizeBytes += filled;
    filled = 0;
  };
  try {
    for (const { pack, firstChunk, chunkCount } of runs) {
      for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk += 1) {
        writeChunk(batch, filled, { seed, pack, chunk, content });
        filled += CHUNK;
        if (filled === batch.length) await flush();
      }
    }
    if (filled > 0) await flush();
  } finally {
    await file.close();
  }
  return { sizeBytes, sha512: hash.digest('hex') };
}
