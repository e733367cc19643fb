/** Consecutive bytes of an image, and where they go in the buffer of the piece they belong to. */
export interface PlacedRange {
  readonly offset: number;
  readonly length: number;
  readonly at: number;
}

/** One ranged read: bytes [offset, offset + length) of the image. Its parts are in order and do not overlap; what lies between them is dropped. */
export interface RangedRead {
  readonly offset: number;
  readonly length: number;
  readonly parts: readonly PlacedRange[];
}

/**
 * As few reads as bring the ranges in the order in which they are given. A range that begins at most `maxGapBytes` after the end of the one before
 * joins its read, unless the read would become longer than `maxReadBytes`; one that lies before it (a chunk that the image had already) never does.
 */
export function planReads(
  ranges: readonly PlacedRange[],
  limits: { readonly maxGapBytes: number; readonly maxReadBytes: number },
): RangedRead[] {
  const reads: { readonly offset: number; length: number; readonly parts: PlacedRange[] }[] = [];
  for (const range of ranges) {
    const read = reads.at(-1);
    const gap = read ? range.offset - (read.offset + read.length) : 0;
    const joins = read && gap >= 0 && gap <= limits.maxGapBytes;
    if (joins && read.length + gap + range.length <= limits.maxReadBytes) {
      read.length += gap + range.length;
      read.parts.push(range);
    } else {
      reads.push({ offset: range.offset, length: range.length, parts: [range] });
    }
  }
  return reads;
}
