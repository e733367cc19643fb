import { digestOf } from './digest.ts';

// FastCDC: Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016;
// "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020.
// Gear hash, cut-point skipping, normalised chunking level 2. Ours is 32 bits wide, which is what JavaScript adds without allocating;
// the masks are the top bits, which have seen the most bytes. FORMAT.md says it in full.

/** A mean of 2^16 bytes; level 2 asks for 2 bits more before the mean and 2 bits fewer after it. */
export const EARLY_MASK: number = -1 << 14;
export const LATE_MASK: number = -1 << 18;

/** 256 random-looking words that anybody can compute: word `b` is the little-endian word `b % 8` of BLAKE3("quarry cdc-64k gear\0" ‖ byte(b / 8)). */
export const GEAR: Int32Array = createGear();

function createGear(): Int32Array {
  const seed = Buffer.from('quarry cdc-64k gear\0\0', 'latin1');
  const gear = new Int32Array(256);
  for (let row = 0; row < 32; row += 1) {
    seed[seed.length - 1] = row;
    const words = Buffer.from(digestOf(seed));
    for (let word = 0; word < 8; word += 1) gear[row * 8 + word] = words.readInt32LE(word * 4);
  }
  return gear;
}
