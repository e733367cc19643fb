import type { DigestTable } from './digest-table.ts';

/** The chunks of one image while it is read, 12 bytes each. */
export interface ChunkList {
  add(high: number, low: number, bytes: number): void;
  forEach(onChunk: (high: number, low: number, bytes: number) => void): void;
}

/** Where `maxBytes` would be passed the table is told to keep half, and what it keeps no longer goes here, too. */
export function createChunkList(table: DigestTable, maxBytes: number): ChunkList {
  const most = Math.max(64, Math.floor(maxBytes / 24)); // growing copies
  let words = new Uint32Array(3 * 64);
  let used = 0;
  const thinOut = (): void => {
    let kept = 0;
    for (let at = 0; at < used; at += 3) {
      if (!table.keeps(words[at + 1] as number)) continue;
      words.copyWithin(kept, at, at + 3);
      kept += 3;
    }
    used = kept;
  };
  return {
    add(high, low, bytes) {
      if (!table.keeps(low)) return;
      if (used === words.length) thinOut();
      while (used >= 3 * most) {
        table.raise();
        thinOut();
      }
      if (used === words.length) {
        const larger = new Uint32Array(Math.min(2 * words.length, 3 * most));
        larger.set(words);
        words = larger;
      }
      words[used] = high;
      words[used + 1] = low;
      words[used + 2] = bytes;
      used += 3;
    },
    forEach(onChunk) {
      for (let at = 0; at < used; at += 3)
        onChunk(words[at] as number, words[at + 1] as number, words[at + 2] as number);
    },
  };
}
