import type { ManifestBuilder, PackId } from '@quarry/content';

const ZEROS = -1;
const FIRST_ENTRIES = 1024;

/**
 * Where each chunk of an image was found or put, in image order, while the ids of its new packs are not known yet. 16 bytes per chunk (5 MB for
 * 20 GB of data); a run of zeros is one entry.
 */
export interface PlacementLog {
  addZeros(length: number): void;
  /** `pack` is a number of the caller's choosing, from 0. */
  addChunk(pack: number, chunk: number, length: number): void;
  /** Tells a builder everything, in order. */
  replay(builder: ManifestBuilder, idOf: (pack: number) => PackId): void;
}

export function createPlacementLog(): PlacementLog {
  let count = 0;
  let packs = new Int32Array(FIRST_ENTRIES);
  let chunks = new Int32Array(FIRST_ENTRIES);
  let lengths = new Float64Array(FIRST_ENTRIES);
  const append = (pack: number, chunk: number, length: number): void => {
    if (count === packs.length) {
      const [oldPacks, oldChunks, oldLengths] = [packs, chunks, lengths];
      (packs = new Int32Array(2 * count)).set(oldPacks);
      (chunks = new Int32Array(2 * count)).set(oldChunks);
      (lengths = new Float64Array(2 * count)).set(oldLengths);
    }
    packs[count] = pack;
    chunks[count] = chunk;
    lengths[count] = length;
    count += 1;
  };
  return {
    addZeros(length) {
      if (count > 0 && packs[count - 1] === ZEROS) lengths[count - 1] = (lengths[count - 1] ?? 0) + length;
      else append(ZEROS, 0, length);
    },
    addChunk: append,
    replay(builder, idOf) {
      for (let i = 0; i < count; i += 1) {
        const pack = packs[i] ?? ZEROS;
        const length = lengths[i] ?? 0;
        if (pack === ZEROS) builder.addZeros(length);
        else builder.addChunk(idOf(pack), chunks[i] ?? 0, length);
      }
    },
  };
}
