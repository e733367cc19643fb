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
/** Of a zero-heavy disk; the data come in runs of this size, the first of them at its beginning. */
const DATA_PART = 1 / 16;
const DATA_RUN_BYTES = 2 ** 20;

/** As `--only` names them: the names of the contents, with `-` for spaces. */
export const contentNames = [
  'random-disk',
  'random-bytes',
  'sparse-disk',
  'zero-heavy-disk',
  'zero-heavy-disk-with-holes',
] as const;
type ContentName = (typeof contentNames)[number];

/**
 * What is measured with, in the page cache, and synced, so that nobody else's write-back is measured:
 * - random disk: a raw disk full of random bytes, without holes. Nothing can save work on it; cut at fixed offsets, as disk images are.
 * - random bytes: the same without a disk's boot sector, so cut by content, as compressed images are.
 * - sparse disk: a raw disk image, half of it data, the rest holes, which `cp` leaves out without reading them.
 * - zero-heavy disk: a raw disk, a sixteenth of it random bytes in runs of 1 MiB, the rest zeros that were written.
 * - zero-heavy disk with holes: the same with holes for zeros.
 */
export async function makeContents(options: BenchOptions): Promise<readonly Content[]> {
  const { directory, sizeBytes, only, signal, tell } = options;
  const chosen = contentNames.filter((name) => only.length === 0 || only.includes(name));
  if (chosen.length > 0) tell('making the files to measure with');
  const contents: Content[] = [];
  for (const name of chosen) {
    const path = join(directory, `${name}.raw`);
    const content = {
      name: name.replaceAll('-', ' '),
      path,
      sizeBytes,
      ...(await makers[name](path, sizeBytes, options)),
    };
    await warm(content.path, signal);
    contents.push(content);
  }
  return contents;
}

const makers: Readonly<
  Record<ContentName, (path: string, sizeBytes: number, options: BenchOptions) => Promise<Partial<Content>>>
> = {
  async 'random-disk'(path, sizeBytes, { signal }) {
    await writeRandomDisk(path, sizeBytes, signal);
    return {};
  },
  async 'random-bytes'(path, sizeBytes, { signal }) {
    await writeRandom(path, sizeBytes, signal);
    return {};
  },
  async 'sparse-disk'(_, sizeBytes, { directory, signal }) {
    const baseBytes = sizeBytes / 2;
    const [made] = await makeImages({ dir: directory, seed: 1, baseBytes, snapshots: 0, format: 'raw', signal });
    if (!made) throw new Error('the generator made no image');
    await makeBootable(made.path);
    return { path: made.path, sizeBytes: made.sizeBytes };
  },
  async 'zero-heavy-disk'(path, sizeBytes, { signal }) {
    await writeZeroHeavy(path, sizeBytes, 'zeros', signal);
    return {};
  },
  async 'zero-heavy-disk-with-holes'(path, sizeBytes, { signal }) {
    await writeZeroHeavy(path, sizeBytes, 'holes', signal);
    return {};
  },
};

/** A raw disk of random bytes. */
export async function writeRandomDisk(path: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
  await writeRandom(path, sizeBytes, signal);
  await makeBootable(path);
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

async function writeZeroHeavy(
  path: string,
  sizeBytes: number,
  rest: 'zeros' | 'holes',
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.truncate(sizeBytes);
    for (let at = 0; at < sizeBytes; at += DATA_RUN_BYTES) {
      signal.throwIfAborted();
      const length = Math.min(DATA_RUN_BYTES, sizeBytes - at);
      const isData = (at / DATA_RUN_BYTES) % (1 / DATA_PART) === 0;
      if (isData) await file.write(systemRandom.bytes(length), 0, length, at);
      else if (rest === 'zeros') await file.write(Buffer.alloc(length), 0, length, at);
    }
  } finally {
    await file.close();
  }
  await makeBootable(path);
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
export async function warm(path: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
    const buffer = Buffer.alloc(BLOCK_BYTES);
    while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0) signal.throwIfAborted();
  } finally {
    await file.close();
  }
}
