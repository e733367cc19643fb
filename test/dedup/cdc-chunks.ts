// The cutter `cdc-64k`, written from packages/content/FORMAT.md and from nothing else.
import { blake3OfBlock } from './blake3-block.ts';
import { blocksOf } from './fixed-chunks.ts';

const minBytes = 16_384;
const meanBytes = 65_536;
const maxBytes = 262_144;

/** FORMAT.md: word b is the word number b mod 8 of the digest of the label, a byte 0 and a byte ⌊b / 8⌋. */
export const gear: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) =>
  blake3OfBlock(Buffer.from(`quarry cdc-64k gear\0${String.fromCharCode(byte >> 3)}`, 'latin1')).readUInt32LE(
    (byte % 8) * 4,
  ),
);

/** Content-defined chunks of 16 to 256 KiB; the last may be shorter. Each is valid until the next is asked for. */
export async function* cdcChunks(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const block of blocksOf(path, 16 * maxBytes)) {
    rest = Buffer.concat([rest, block]);
    // What is behind the buffer could be part of a chunk that begins less than the largest size before its end.
    while (rest.length >= maxBytes) {
      const length = firstCut(rest);
      yield rest.subarray(0, length);
      rest = rest.subarray(length);
    }
  }
  while (rest.length > 0) {
    const length = firstCut(rest);
    yield rest.subarray(0, length);
    rest = rest.subarray(length);
  }
}

/** The length of the chunk that `bytes` begins with, where there are `maxBytes` of them or the image ends with them. */
function firstCut(bytes: Buffer): number {
  const end = Math.min(bytes.length, maxBytes);
  let hash = 0;
  for (let length = minBytes; length <= end; length += 1) {
    hash = (((hash << 1) >>> 0) + (gear[bytes[length - 1] ?? 0] ?? 0)) >>> 0;
    if (hash >>> (length < meanBytes ? 14 : 18) === 0) return length;
  }
  return end;
}
