import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 1 << 20;

/**
 * How many bytes differ between two files, byte by byte; a difference in length counts as that many. Shares no code with what
 * wrote either file: this is the demo's witness.
 */
export async function countWrongBytes(
  pathA: string,
  pathB: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<number> {
  await using a = await open(pathA, 'r');
  await using b = await open(pathB, 'r');
  const [bufferA, bufferB] = [Buffer.alloc(BLOCK_BYTES), Buffer.alloc(BLOCK_BYTES)];
  let wrong = 0;
  for (let at = 0; ; at += BLOCK_BYTES) {
    options.signal?.throwIfAborted();
    const [lengthA, lengthB] = await Promise.all([readFully(a, bufferA, at), readFully(b, bufferB, at)]);
    if (lengthA === 0 && lengthB === 0) return wrong;
    const common = Math.min(lengthA, lengthB);
    if (bufferA.compare(bufferB, 0, common, 0, common) !== 0) {
      for (let i = 0; i < common; i += 1) if (bufferA[i] !== bufferB[i]) wrong += 1;
    }
    wrong += Math.max(lengthA, lengthB) - common;
  }
}

async function readFully(file: FileHandle, into: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
