import { chunkLength, pieceChunks, verifyPiece } from '@quarry/content';
import type { Manifest, Origin, OriginImage, PackDescriptor, PackId, PieceSource } from '@quarry/content';
import { ImageError } from './image-error.ts';
import { createImageMap } from './image-map.ts';

/** Consecutive bytes of the image, and where they go in the piece's buffer. */
interface Range {
  readonly offset: number;
  readonly at: number;
  length: number;
}

interface PieceRanges {
  readonly descriptor: PackDescriptor;
  readonly ranges: readonly Range[];
  readonly length: number;
}

/**
 * Pieces out of an image at its origin: chunks that lie next to each other there are one read (a ranged read costs Glance 18 ms whatever its length).
 * Covers what the image contains, and nothing while the origin cannot read from the middle. Rejects with IMAGE_ORIGIN_DIFFERS if the bytes there have
 * other digests, and with the origin's own errors.
 */
export function originPieceSource(
  origin: Origin,
  image: OriginImage,
  manifest: Manifest,
  descriptorOf: (pack: PackId) => PackDescriptor,
): PieceSource {
  const map = createImageMap(manifest, descriptorOf);
  const find = (pack: PackId, piece: number, mask: number): PieceRanges | undefined => {
    const descriptor = map.descriptorOf(pack);
    if (!descriptor) return undefined;
    const { first, count } = pieceChunks(descriptor, piece);
    const ranges: Range[] = [];
    let at = 0;
    for (let i = 0; i < count; i += 1) {
      if (((mask >> i) & 1) === 0) continue;
      const offset = map.offsetOf(pack, first + i);
      if (offset === undefined) return undefined;
      const length = chunkLength(descriptor, first + i);
      const last = ranges.at(-1);
      if (last && last.offset + last.length === offset) last.length += length;
      else ranges.push({ offset, at, length });
      at += length;
    }
    return { descriptor, ranges, length: at };
  };
  return {
    kind: 'origin',
    covers(pack, piece, mask) {
      return origin.canRange(image) && find(pack, piece, mask) !== undefined;
    },
    async readPiece(pack, piece, mask, { signal } = {}) {
      const found = find(pack, piece, mask);
      if (!found)
        throw new TypeError(
          `image ${image.ref} has no such chunks of piece ${piece} of pack ${pack}: ask covers first`,
        );
      const bytes = Buffer.allocUnsafeSlow(found.length);
      for (const range of found.ranges) await readRange(origin, image, range, bytes, signal);
      try {
        return verifyPiece(found.descriptor, piece, mask, bytes);
      } catch (cause) {
        const message = `image ${image.ref} at its origin (${origin.kind}) is not what manifest ${manifest.id} says: it changed, or the manifest is wrong`;
        throw new ImageError('IMAGE_ORIGIN_DIFFERS', message, {
          details: { ref: image.ref, pack, piece, mask },
          cause,
        });
      }
    },
  };
}

async function readRange(
  origin: Origin,
  image: OriginImage,
  { offset, at, length }: Range,
  into: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  let filled = 0;
  for await (const buffer of origin.open(image, { offset, length, signal })) {
    if (filled + buffer.length <= length) into.set(buffer, at + filled);
    filled += buffer.length;
    if (filled > length) break;
  }
  if (filled === length) return;
  const message = `the origin (${origin.kind}) gave ${filled} bytes of image ${image.ref} at ${offset} instead of ${length}`;
  throw new ImageError('IMAGE_ORIGIN_DIFFERS', message, {
    details: { ref: image.ref, offset, expected: length, actual: filled },
    canRetry: true,
  });
}
