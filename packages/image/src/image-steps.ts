import { chunkLength } from '@quarry/content';
import type { Manifest, PackDescriptor } from '@quarry/content';
import type { DescriptorCache } from './descriptor-cache.ts';
import { ImageError } from './image-error.ts';

/** A stretch of an image that is read at once: zeros of any length, or chunks that lie next to each other in the image, though maybe in several packs. */
export interface ImageStep {
  readonly offset: number;
  readonly length: number;
  /** Empty: zeros. */
  readonly parts: readonly StepPart[];
}

/** Consecutive chunks of one pack. */
export interface StepPart {
  readonly descriptor: PackDescriptor;
  readonly firstChunk: number;
  readonly count: number;
  /** Where the part begins within its step. */
  readonly at: number;
  readonly length: number;
}

/**
 * Divides an image, from the chunk that holds byte `from` to the one that holds `to - 1`, into steps of at most `maxBytes` (one chunk at least) of data.
 * Checks on the way that the manifest fits its packs. @throws ImageError IMAGE_BAD_MANIFEST, and what the cache throws
 */
export async function* imageSteps(
  manifest: Manifest,
  descriptors: DescriptorCache,
  options: { readonly maxBytes: number; readonly from: number; readonly to: number },
): AsyncGenerator<ImageStep, void, undefined> {
  const { maxBytes, from, to } = options;
  const { offsets, packs, firstChunks, chunkCounts } = manifest.extents;
  let parts: StepPart[] = [];
  let start = 0;
  let length = 0;
  const takeStep = (): ImageStep => {
    const step = { offset: start, length, parts };
    parts = [];
    length = 0;
    return step;
  };
  for (let extent = extentAtOffset(manifest, from); extent < manifest.extents.count; extent += 1) {
    const offset = offsets[extent] ?? 0;
    const end = offsets[extent + 1] ?? 0;
    if (offset >= to) break;
    const pack = manifest.packs[packs[extent] ?? -1];
    if (pack === undefined) {
      if (length > 0) yield takeStep();
      yield { offset, length: end - offset, parts: [] };
      continue;
    }
    const descriptor = await descriptors.get(pack);
    const first = firstChunks[extent] ?? 0;
    const count = chunkCounts[extent] ?? 0;
    checkExtent(manifest, descriptor, { index: extent, first, count, length: end - offset });
    let at = offset;
    for (let chunk = first; chunk < first + count && at < to; chunk += 1) {
      const bytes = chunkLength(descriptor, chunk);
      if (at + bytes > from) {
        // A piece is decoded as a whole: one that lay in two steps would be decoded twice.
        const together = chunk % descriptor.chunksPerPiece === 0 ? pieceBytes(descriptor, chunk, first + count) : bytes;
        if (length > 0 && length + together > maxBytes) yield takeStep();
        if (length === 0) start = at;
        addToParts(parts, { descriptor, firstChunk: chunk, count: 1, at: length, length: bytes });
        length += bytes;
      }
      at += bytes;
    }
  }
  if (length > 0) yield takeStep();
}

/** From the first chunk of a piece to its last, or to the one before `end`. */
function pieceBytes({ chunkCount, chunksPerPiece, offsets }: PackDescriptor, chunk: number, end: number): number {
  return (offsets[Math.min(chunk + chunksPerPiece, end, chunkCount)] ?? 0) - (offsets[chunk] ?? 0);
}

/** A chunk that goes on from the last part makes it longer. */
function addToParts(parts: StepPart[], part: StepPart): void {
  const last = parts.at(-1);
  if (last && last.descriptor === part.descriptor && last.firstChunk + last.count === part.firstChunk) {
    parts[parts.length - 1] = { ...last, count: last.count + 1, length: last.length + part.length };
  } else parts.push(part);
}

/** The index of the extent that holds byte `offset`; the number of extents at the image's end. */
export function extentAtOffset(manifest: Manifest, offset: number): number {
  const { offsets, count } = manifest.extents;
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle + 1] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkExtent(
  manifest: Manifest,
  descriptor: PackDescriptor,
  extent: { readonly index: number; readonly first: number; readonly count: number; readonly length: number },
): void {
  const { first, count, length } = extent;
  const bytes = (descriptor.offsets[first + count] ?? -1) - (descriptor.offsets[first] ?? 0);
  if (bytes === length) return;
  const message = `extent ${extent.index} of manifest ${manifest.id} does not fit pack ${descriptor.id}: ${count} chunks from ${first} on are not ${length} bytes`;
  throw new ImageError('IMAGE_BAD_MANIFEST', message, {
    details: { manifest: manifest.id, pack: descriptor.id, extent: extent.index },
  });
}
