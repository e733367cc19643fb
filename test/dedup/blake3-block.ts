// BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020) of at most 64 bytes: one block, which is the whole tree. Enough for the gear of
// `cdc-64k`, and nobody else's code.

const iv = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const permutation = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/** Four columns, then four diagonals of the 4 × 4 state. */
const quarters = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;
/** The block is the first and the last of its chunk, and the root. */
const flags = 1 | 2 | 8;

export function blake3OfBlock(input: Uint8Array): Buffer {
  if (input.length > 64) throw new RangeError(`one block has at most 64 bytes, not ${input.length}`);
  const block = Buffer.alloc(64);
  block.set(input);
  let message = Array.from({ length: 16 }, (_, i) => block.readUInt32LE(i * 4));
  const v = Uint32Array.from([...iv, ...iv.slice(0, 4), 0, 0, input.length, flags]);
  const word = (at: number): number => v[at] ?? 0;
  const turn = (at: number, mixed: number, bits: number): void => {
    const x = word(at) ^ mixed;
    v[at] = (x >>> bits) | (x << (32 - bits));
  };
  for (let round = 0; round < 7; round += 1) {
    for (const [i, [a, b, c, d]] of quarters.entries()) {
      for (const [half, first, second] of [
        [0, 16, 12],
        [1, 8, 7],
      ] as const) {
        v[a] = word(a) + word(b) + (message[2 * i + half] ?? 0);
        turn(d, word(a), first);
        v[c] = word(c) + word(d);
        turn(b, word(c), second);
      }
    }
    message = permutation.map((from) => message[from] ?? 0);
  }
  const digest = Buffer.alloc(32);
  for (let i = 0; i < 8; i += 1) digest.writeUInt32LE((word(i) ^ word(i + 8)) >>> 0, i * 4);
  return digest;
}
