/**
 * Makes blocks of convenient size out of a source's buffers: small ones are gathered into blocks of `blockBytes`, those of at least half a block pass as
 * they are, without a copy, larger ones than four blocks in slices. A network delivers 16 KiB at a time, and everything after this point costs
 * something per block.
 */
export async function* gatherBlocks(
  source: AsyncIterable<Uint8Array>,
  blockBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let block: Uint8Array | undefined;
  let filled = 0;
  for await (const buffer of source) {
    if (buffer.length >= blockBytes / 2) {
      if (block) yield block.subarray(0, filled);
      block = undefined;
      for (let at = 0; at < buffer.length; at += 4 * blockBytes) yield buffer.subarray(at, at + 4 * blockBytes);
      continue;
    }
    for (let at = 0; at < buffer.length; ) {
      if (!block) {
        block = Buffer.allocUnsafeSlow(blockBytes); // not from the shared pool: the block is kept until it is written
        filled = 0;
      }
      const count = Math.min(blockBytes - filled, buffer.length - at);
      block.set(buffer.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled < blockBytes) continue;
      yield block;
      block = undefined;
    }
  }
  if (block) yield block.subarray(0, filled);
}
