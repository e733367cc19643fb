import { createCipheriv } from 'node:crypto';
import { limits } from '@quarry/content';

/** What chunks of a storm hold: bytes that do not compress, or such as disks have, of which zstd level 1 leaves a third or so. */
export type Content = 'random' | 'disk';

const CHUNK = limits.fixedChunkBytes;
const BLOCK = 4096;
/** Of each block of a chunk so much is random where the content is `disk`; the rest is a line of text again and again. */
const RANDOM_OF_BLOCK = 1400;
const TEXT: Buffer = Buffer.from(
  ' quarry storm: what a file system holds is often text, and often the same again.\n'.repeat(64),
);
const BOOT_SIGNATURE_AT = 510;
const ZEROS: Buffer = Buffer.alloc(CHUNK);

/**
 * The 64 KiB of one chunk of one pack, into `target` at `offset`: the same for the same seed, pack and chunk, different for all others. The first chunk of a pack carries
 * the signature of a boot sector, so that what begins with it is cut as a raw disk. A keystream (AES-128-CTR): some GB/s.
 */
export function writeChunk(
  target: Buffer,
  offset: number,
  { seed, pack, chunk, content }: { seed: number; pack: number; chunk: number; content: Content },
): void {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed >>> 0, 0);
  key.writeUInt32LE(pack, 4);
  key.writeUInt32LE(chunk, 8);
  const stream = createCipheriv('aes-128-ctr', key, ZEROS.subarray(0, 16)).update(ZEROS);
  if (content === 'random') stream.copy(target, offset);
  else {
    for (let at = 0; at < CHUNK; at += BLOCK) {
      stream.copy(target, offset + at, at, at + RANDOM_OF_BLOCK);
      TEXT.copy(target, offset + at + RANDOM_OF_BLOCK, 0, BLOCK - RANDOM_OF_BLOCK);
    }
  }
  if (chunk === 0) target.writeUInt16BE(0x55aa, offset + BOOT_SIGNATURE_AT);
}
