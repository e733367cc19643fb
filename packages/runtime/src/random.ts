import { randomBytes } from 'node:crypto';

/** Chance is handed in, like time. */
export interface Random {
  /** Uniform in [0, 1). Not for secrets. */
  next(): number;
  /** `count` bytes; from the operating system's generator in `systemRandom`, which alone may make secrets. */
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = { next: () => Math.random(), bytes: (count) => randomBytes(count) };

/** xoshiro128** (Blackman and Vigna, 2018), seeded through splitmix32: small, fast, the same on every machine. */
export function createSeededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const next32 = (): number => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return {
    next: () => next32() / 0x1_0000_0000,
    bytes(count) {
      const out = new Uint8Array(count);
      for (let i = 0; i < count; i += 1) out[i] = next32() >>> 24;
      return out;
    },
  };
}

/** A shuffled copy (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random.next() * (i + 1));
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}
