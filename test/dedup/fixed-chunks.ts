import { open } from 'node:fs/promises';

const chunkBytes = 64 * 1024;

/** The chunks of a file in order. Each is valid until the next is asked for. */
export type Chunks = (path: string) => AsyncIterable<Buffer>;

/** 64 KiB one after the other; the last may be shorter. */
export async function* fixedChunks(path: string): AsyncGenerator<Buffer> {
  for await (const block of blocksOf(path, 64 * chunkBytes)) {
    for (let at = 0; at < block.length; at += chunkBytes) yield block.subarray(at, at + chunkBytes);
  }
}

/** Full blocks but for the last, however little the system gives per read; the same buffer each time. */
export async function* blocksOf(path: string, blockBytes: number): AsyncGenerator<Buffer> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(blockBytes);
    for (;;) {
      let filled = 0;
      while (filled < blockBytes) {
        const { bytesRead } = await file.read(buffer, filled, blockBytes - filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled > 0) yield buffer.subarray(0, filled);
      if (filled < blockBytes) return;
    }
  } finally {
    await file.close();
  }
}
