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
 * What is measured with, in the page cache, and synced, so that nobody else's write-back is measured:
 * - random disk: a raw disk full of random bytes, without holes. Nothing can save work on it; cut at fixed offsets, as disk images are.
 * - random bytes: the same without a disk's boot sector, so cut by content, as compressed images are.
 * - sparse disk: a raw disk image, half of it data, the rest holes, which `cp` leaves out without reading them.
 */
export async function makeContents({ directory, sizeBytes, signal, tell }: BenchOptions): Promise<readonly Content[]> {
  tell('making the files to measure with');
  const randomDisk = join(directory, 'random-disk.raw');
  const randomBytes = join(directory, 'random-bytes.bin');
  await writeRandom(randomDisk, sizeBytes, signal);
  await writeRandom(randomBytes, sizeBytes, signal);
  const [sparse] = await makeImages({
    dir: directory,
    seed: 1,
    baseBytes: sizeBytes / 2,
    snapshots: 0,
    format: 'raw',
    signal,
  });
  if (!sparse) throw new Error('the generator made no image');
  for (const path of [randomDisk, sparse.path]) await makeBootable(path);
  for (const path of [randomDisk, randomBytes, sparse.path]) await warm(path);
  return [
    { name: 'random disk', path: randomDisk, sizeBytes },
    { name: 'random bytes', path: randomBytes, sizeBytes },
    { name: 'sparse disk', path: sparse.path, sizeBytes: sparse.sizeBytes },
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

/** Ends the first sector as a master boot record ends: what the cutter knows a disk by. */
async function makeBootable(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(Uint8Array.of(0x55, 0xaa), 0, 2, 510);
  } finally {
    await file.close();
  }
}

/** Syncs a file and reads it once: also its holes take part of the page cache when they are read, and none when they are made. */
async function warm(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
    const buffer = Buffer.alloc(BLOCK_BYTES);
    while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
  } finally {
    await file.close();
  }
}
