import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const CHUNK_BYTES = 64 * 1024;

/**
 * The bytes that files have between them when equal 64 KiB blocks count once and zero blocks not at all: what must leave the origin
 * at least, where nobody has anything. SHA-256 and no code of the product: a figure to judge it by.
 */
export async function countUniqueBytes(
  paths: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<number> {
  const seen = new Set<string>();
  const zeros = Buffer.alloc(CHUNK_BYTES);
  let unique = 0;
  for (const path of paths) {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(16 * CHUNK_BYTES);
    for (let position = 0; ; ) {
      options.signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      // a short read in the middle of a file would shift the grid
      const usable = bytesRead === buffer.length ? bytesRead : await fill(file, buffer, bytesRead, position);
      for (let at = 0; at < usable; at += CHUNK_BYTES) {
        const block = buffer.subarray(at, Math.min(at + CHUNK_BYTES, usable));
        if (block.equals(zeros.subarray(0, block.length))) continue;
        const digest = createHash('sha256').update(block).digest('base64');
        if (seen.has(digest)) continue;
        seen.add(digest);
        unique += block.length;
      }
      position += usable;
    }
  }
  return unique;
}

async function fill(
  file: Awaited<ReturnType<typeof open>>,
  buffer: Buffer,
  filled: number,
  position: number,
): Promise<number> {
  let length = filled;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}
