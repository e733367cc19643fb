import { packBytes } from '@quarry/content';
import type { PackDescriptor } from '@quarry/content';

/**
 * How much of a piece goes at once. On a slow link a whole piece takes so long, among ten others, that whoever waits for it to pass it on waits for a
 * good part of a small image's time; on a fast one parts would only be more requests.
 */
const MIN_PART_MS = 40;
/**
 * Chunks of a piece to ask for at once where nothing is compressed: a power of 2 and at least `minChunks`, Infinity for all of it. `linkBytesPerSecond` 0:
 * not known.
 */
export function grainFor(descriptor: PackDescriptor, linkBytesPerSecond: number, minChunks: number): number {
  if (linkBytesPerSecond <= 0) return Infinity;
  const chunkMs = (1000 * packBytes(descriptor)) / descriptor.chunkCount / linkBytesPerSecond;
  let chunks = minChunks;
  while (chunks < descriptor.chunksPerPiece && chunks * chunkMs < MIN_PART_MS) chunks *= 2;
  return chunks < descriptor.chunksPerPiece ? chunks : Infinity;
}

/** The mask in parts: they begin at multiples of `chunks`, so that all nodes cut a piece alike. */
export function partsOf(mask: number, chunks: number): number[] {
  if (chunks >= 16) return [mask];
  const parts: number[] = [];
  for (let first = 0; mask >> first !== 0; first += chunks) {
    const part = mask & (((1 << chunks) - 1) << first);
    if (part !== 0) parts.push(part);
  }
  return parts;
}

/** Of the mask the first part that holds anything of `of`: parts begin at multiples of `chunks`, so that all nodes cut a piece alike. */
export function partOf(mask: number, chunks: number, of: number = mask): number {
  for (let first = 0; first + chunks <= 16; first += chunks) {
    const part = ((1 << chunks) - 1) << first;
    if ((of & part) !== 0) return mask & part;
  }
  return mask;
}
