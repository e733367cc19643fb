import { limits } from '@quarry/content';
import type { ImageRef } from '@quarry/content';
import type { BufferPool } from '@quarry/runtime';
import { gatherBlocks } from './gather-blocks.ts';
import { ImageError, messageOf } from './image-error.ts';
import { imageDefaults } from './options.ts';
import { readAhead } from './read-ahead.ts';

/** An image's bytes from the first to the last, and where their buffers go back to. */
export interface SourceBytes {
  readonly ref: ImageRef;
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly pool?: BufferPool | undefined;
}

/**
 * The source in blocks of convenient size, the first of which holds all that the cutter is chosen by; its errors are ours.
 * @throws ImageError IMAGE_SOURCE_FAILED; the signal's reason
 */
export async function* sourceBlocks(
  source: SourceBytes,
  pool: BufferPool,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const ahead = readAhead(source.bytes, { maxBytes: imageDefaults.maxReadAheadBytes, signal });
  let head: Uint8Array[] | undefined = [];
  let headBytes = 0;
  try {
    for await (const block of gatherBlocks(ahead, pool, (buffer) => source.pool?.give(buffer))) {
      if (!head) {
        yield block;
        continue;
      }
      head.push(block);
      headBytes += block.length;
      if (headBytes < limits.cutterHeadBytes) continue;
      yield joined(head);
      head = undefined;
    }
    if (head && headBytes > 0) yield joined(head);
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw new ImageError('IMAGE_SOURCE_FAILED', `reading image ${source.ref} failed: ${messageOf(cause)}`, {
      cause,
      details: { ref: source.ref },
      canRetry: true,
    });
  }
}

function joined(blocks: readonly Uint8Array[]): Uint8Array {
  const [only] = blocks;
  return only && blocks.length === 1 ? only : Buffer.concat(blocks);
}
