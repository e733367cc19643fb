import { chunkLength, pieceChunks, verifyPiece } from '@quarry/content';
import type {
  Manifest,
  Origin,
  OriginImage,
  PackDescriptor,
  PackId,
  PieceSource,
  PieceWant,
  VerifiedPiece,
} from '@quarry/content';
import { ImageError } from './image-error.ts';
import { createImageMap } from './image-map.ts';
import { imageDefaults } from './options.ts';
import { planReads } from './plan-reads.ts';
import type { PlacedRange, RangedRead } from './plan-reads.ts';

export interface OriginReadOptions {
  /** Default: imageDefaults. */
  readonly maxGapBytes?: number;
  readonly maxReadBytes?: number;
}

/** A wanted piece, and where the bytes of its chunks lie in the image. */
interface WantedPiece extends PieceWant {
  readonly descriptor: PackDescriptor;
  readonly ranges: readonly PlacedRange[];
  readonly length: number;
}

/**
 * Pieces out of an image at its origin: what lies together there, of one piece or of several that follow each other, is one read (a ranged read costs
 * Glance 18 ms whatever its length). Covers what the image contains, and nothing while the origin cannot read from the middle. Rejects with
 * IMAGE_ORIGIN_DIFFERS if the bytes there have other digests, and with the origin's own errors.
 */
export function originPieceSource(
  origin: Origin,
  image: OriginImage,
  manifest: Manifest,
  descriptorOf: (pack: PackId) => PackDescriptor,
  options: OriginReadOptions = {},
): PieceSource {
  const map = createImageMap(manifest, descriptorOf);
  const find = (pack: PackId, piece: number, mask: number): WantedPiece | undefined => {
    const descriptor = map.descriptorOf(pack);
    if (!descriptor) return undefined;
    const { first, count } = pieceChunks(descriptor, piece);
    const ranges: PlacedRange[] = [];
    let length = 0;
    for (let i = 0; i < count; i += 1) {
      if (((mask >> i) & 1) === 0) continue;
      const offset = map.offsetOf(pack, first + i);
      if (offset === undefined) return undefined;
      const bytes = chunkLength(descriptor, first + i);
      ranges.push({ offset, length: bytes, at: length });
      length += bytes;
    }
    return { piece, mask, descriptor, ranges, length };
  };
  const verified = ({ descriptor, piece, mask }: WantedPiece, bytes: Uint8Array): VerifiedPiece => {
    try {
      return verifyPiece(descriptor, piece, mask, bytes);
    } catch (cause) {
      const message = `image ${image.ref} at its origin (${origin.kind}) is not what manifest ${manifest.id} says: it changed, or the manifest is wrong`;
      throw new ImageError('IMAGE_ORIGIN_DIFFERS', message, {
        details: { ref: image.ref, pack: descriptor.id, piece, mask },
        cause,
      });
    }
  };
  const openAt = (read: RangedRead, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> =>
    origin.open(image, { offset: read.offset, length: read.length, signal });

  return {
    kind: 'origin',
    covers(pack, piece, mask) {
      return origin.canRange(image) && find(pack, piece, mask) !== undefined;
    },
    async *readPieces(pack, wants, { signal, onBytes } = {}) {
      const pieces = wants.map(({ piece, mask }) => {
        const found = find(pack, piece, mask);
        if (found) return found;
        throw new TypeError(
          `image ${image.ref} has no such chunks of piece ${piece} of pack ${pack}: ask covers first`,
        );
      });
      const reads = planReads(
        pieces.flatMap(({ ranges }) => ranges),
        { ...imageDefaults, ...options },
      );
      let next = 0;
      let bytes: Uint8Array = new Uint8Array(0);
      let filled = 0;
      for (const read of reads) {
        let position = read.offset;
        let part = 0;
        for await (const buffer of openAt(read, signal)) {
          onBytes?.(buffer.length);
          // More than was asked for: the length check below says so.
          for (let from = 0; from < buffer.length && part < read.parts.length; ) {
            const { offset, length, at } = read.parts[part] as PlacedRange;
            if (position + from < offset) {
              from = Math.min(offset - position, buffer.length); // a gap, read because another request would cost more
              continue;
            }
            const wanted = pieces[next] as WantedPiece;
            if (filled === 0) bytes = Buffer.allocUnsafeSlow(wanted.length);
            const done = position + from - offset;
            const count = Math.min(length - done, buffer.length - from);
            bytes.set(buffer.subarray(from, from + count), at + done);
            from += count;
            filled += count;
            if (done + count === length) part += 1;
            if (filled < wanted.length) continue;
            [next, filled] = [next + 1, 0];
            yield verified(wanted, bytes);
          }
          position += buffer.length;
          if (position - read.offset > read.length) break;
        }
        if (position - read.offset !== read.length) throw otherLength(origin, image, read, position - read.offset);
      }
    },
  };
}

function otherLength(origin: Origin, image: OriginImage, read: RangedRead, actual: number): ImageError {
  const { offset, length } = read;
  const message = `the origin (${origin.kind}) gave ${actual} bytes of image ${image.ref} at ${offset} instead of ${length}`;
  return new ImageError('IMAGE_ORIGIN_DIFFERS', message, {
    details: { ref: image.ref, offset, expected: length, actual },
    canRetry: true,
  });
}
