import { copyFile, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createZstdCompress, constants } from 'node:zlib';
import { createReadStream } from 'node:fs';
import { findCommand, runToEnd } from '@quarry/storm';
import { isZero } from '@quarry/content';

export interface DiskImage {
  readonly path: string;
  readonly sizeBytes: number;
  /** Bytes of the image to bytes of `zstd -1` of it, as a whole. */
  readonly zstdRatio: number;
  /** Part of its 64 KiB blocks that are zeros. */
  readonly zeroPart: number;
}

const BLOCK_BYTES = 4096;
const CHUNK_BYTES = 64 * 2 ** 10;
/** Programs, libraries and data as on a small server; what the sizes add up to leaves room for the file system’s own. */
const SHARES: readonly (readonly [directory: string, part: number])[] = [
  ['/usr/bin', 0.15],
  ['/usr/lib', 0.5],
  ['/usr/share', 0.23],
];
const UUID = '6d0f5e63-2f1c-4f0e-9c39-1d1b3c0c7a11';

/** Why no such image can be made here; undefined where one can. */
export function whyNoDiskImage(): string | undefined {
  return findCommand('mke2fs') === undefined ? 'mke2fs is not installed (Debian: e2fsprogs)' : undefined;
}

/**
 * A raw disk with an ext4 file system full of this machine’s own programs, the same again on the same machine: real content, compressible as disks are.
 * Holes are filled, so that the file takes its size on disk: `cp` and curl move it all.
 */
export async function makeDiskImage(path: string, sizeBytes: number, signal: AbortSignal): Promise<DiskImage> {
  const files = `${path}.files`;
  try {
    const chosen = { files: 0, maxFiles: Math.floor((sizeBytes / 16384) * 0.8) };
    for (const [directory, part] of SHARES) await gather(directory, files, sizeBytes * part, chosen, signal);
    const file = await open(path, 'w');
    await file.truncate(sizeBytes);
    await file.close();
    const mke2fs = findCommand('mke2fs') ?? 'mke2fs';
    const extended = `hash_seed=${UUID},lazy_itable_init=0,lazy_journal_init=0`;
    const args = [
      '-q',
      '-F',
      '-t',
      'ext4',
      '-O',
      '^has_journal',
      '-b',
      String(BLOCK_BYTES),
      '-m',
      '0',
      '-U',
      UUID,
      '-E',
      extended,
    ];
    await runToEnd([mke2fs, ...args, '-d', files, path], { signal });
  } finally {
    await rm(files, { recursive: true, force: true });
  }
  const zeroPart = await fillHoles(path, signal);
  return { path, sizeBytes, zeroPart, zstdRatio: sizeBytes / (await zstdBytes(path, signal)) };
}

/** Links, or copies, files of a directory in order of their names until they take so many bytes. */
async function gather(
  from: string,
  to: string,
  maxBytes: number,
  chosen: { files: number; readonly maxFiles: number },
  signal: AbortSignal,
): Promise<void> {
  let left = maxBytes;
  const walk = async (directory: string): Promise<void> => {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (left <= 0 || chosen.files >= chosen.maxFiles) return;
      signal.throwIfAborted();
      const path = join(directory, entry.name);
      if (entry.isDirectory()) await walk(path);
      if (!entry.isFile()) continue;
      const { size } = await stat(path);
      const takenBytes = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
      if (takenBytes > left) continue;
      const target = join(to, path);
      // A directory takes a block, however few names there are in it.
      if ((await mkdir(dirname(target), { recursive: true })) !== undefined) left -= BLOCK_BYTES;
      await link(path, target).catch(() => copyFile(path, target)); // another file system, or not ours to link
      left -= takenBytes;
      chosen.files += 1;
    }
  };
  await mkdir(to, { recursive: true });
  await walk(from);
}

/** Writes the zeros that were holes; which part of the image is zeros. */
async function fillHoles(path: string, signal: AbortSignal): Promise<number> {
  const file = await open(path, 'r+');
  try {
    const buffer = Buffer.alloc(64 * CHUNK_BYTES);
    let [zeros, chunks] = [0, 0];
    for (let at = 0; ; ) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return zeros / chunks;
      for (let from = 0; from < bytesRead; from += CHUNK_BYTES) {
        chunks += 1;
        if (!isZero(buffer.subarray(from, Math.min(bytesRead, from + CHUNK_BYTES)))) continue;
        zeros += 1;
      }
      await file.write(buffer, 0, bytesRead, at);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

async function zstdBytes(path: string, signal: AbortSignal): Promise<number> {
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  let bytes = 0;
  const source = createReadStream(path, { highWaterMark: 2 ** 20, signal });
  source.on('error', (error) => compress.destroy(error));
  for await (const part of source.pipe(compress)) bytes += (part as Buffer).length;
  return bytes;
}
