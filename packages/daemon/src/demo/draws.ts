/**
 * Whole numbers for the demo's images. Beside runtime's `Random` because an image's bytes are drawn by the hundred million and from
 * several seed words at once, and because they must never change: a golden test holds them. Integer arithmetic only, so that every
 * machine draws the same.
 */
export interface Draws {
  /** Uniform in [0, 2^32). */
  next32(): number;
  /** Uniform in [0, count), for a count up to 2^31. */
  below(count: number): number;
}

/** xoshiro128** (Blackman and Vigna, 2018). Every word changes the whole stream; their order counts. */
export function createDraws(...words: readonly number[]): Draws {
  let mixed = 0x243f6a88;
  for (const word of words) mixed = avalanche((mixed ^ (word >>> 0)) + 0x9e3779b9);
  let a = avalanche(mixed + 1);
  let b = avalanche(mixed + 2);
  let c = avalanche(mixed + 3);
  let d = avalanche(mixed + 4) | 1; // four zero words would draw zeros for ever

  const next32 = (): number => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  // Multiplying and dividing round the same on every machine, and never up to `count`.
  return { next32, below: (count) => Math.floor((next32() * count) / 0x1_0000_0000) };
}

/** A bijection of 32-bit words in which each input bit flips about half of the output (murmur3's finalizer). */
function avalanche(word: number): number {
  let z = word >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}
