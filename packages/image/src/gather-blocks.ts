import type { BufferPool } from '@quarry/runtime';

/**
 * Gathers a source's small buffers into blocks of the pool's size; buffers of at least half a block pass as they are, without a copy. A network delivers
 * 16 KiB at a time, and everything after this point costs something per block.
 */
export async function* gatherBlocks(
  source: AsyncIterable<Uint8Array>,
  pool: BufferPool,
  onCopied: (buffer: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { bufferBytes } = pool;
  let block: Uint8Array | undefined;
  let filled = 0;
  for await (const buffer of source) {
    if (buffer.length >= bufferBytes / 2) {
      if (block) yield block.subarray(0, filled);
      block = undefined;
      yield buffer;
      continue;
    }
    for (let at = 0; at < buffer.length; ) {
      if (!block) {
        block = pool.take();
        filled = 0;
      }
      const count = Math.min(bufferBytes - filled, buffer.length - at);
      block.set(buffer.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled < bufferBytes) continue;
      yield block;
      block = undefined;
    }
    onCopied(buffer);
  }
  if (block) yield block.subarray(0, filled);
}
