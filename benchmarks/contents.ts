import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '@quarry/runtime';
import { makeImages } from '../packages/daemon/src/demo/make-images.ts';
import type { BenchOptions } from './bench.ts';

export interface Content {
  /** Stands in the results' names. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
}

const BLOCK_BYTES = 4 * 2 ** 20;

/**
 * What is measured with: random bytes without holes, which nothing can save work on; and a raw disk image, half of it data, the rest holes, which `cp` leaves
 * out without reading them. Both have just been written, so they are in the page cache; they are synced, so that nobody else's write-back is measured.
 */
export async function makeContents({ directory, sizeBytes, signal, tell }: BenchOptions): Promise<readonly Content[]> {
  tell('making the files to measure with');
  const random = join(directory, 'random.bin');
  await writeRandom(random, sizeBytes, signal);
  const [disk] = await makeImages({
    dir: directory,
    seed: 1,
    baseBytes: sizeBytes / 2,
    snapshots: 0,
    format: 'raw',
    signal,
  });
  if (!disk) throw new Error('the generator made no image');
  for (const path of [random, disk.path]) await syncFile(path);
  return [
    { name: 'random', path: random, sizeBytes },
    { name: 'disk image', path: disk.path, sizeBytes: disk.sizeBytes },
  ];
}

async function writeRandom(path: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) {
      signal.throwIfAborted();
      await file.write(systemRandom.bytes(Math.min(BLOCK_BYTES, sizeBytes - at)));
    }
  } finally {
    await file.close();
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
