import { createSeededRandom } from '@quarry/runtime';
import { digestOf } from '../digest.ts';
import { publicDomain } from '../ids.ts';
import type { Domain } from '../ids.ts';
import { limits } from '../limits.ts';
import { createPackDescriptor, decodePackDescriptor, encodePackDescriptor } from '../pack-codec.ts';
import { chunkOffset, pieceChunks } from '../pack-descriptor.ts';
import type { PackDescriptor } from '../pack-descriptor.ts';
import { encodePiece } from '../piece-encoding.ts';
import { verifyFrame, verifyPiece } from '../verified-piece.ts';
import type { VerifiedPiece } from '../verified-piece.ts';

export interface SamplePackOptions {
  /** Same seed, same chunks. */
  readonly seed: number;
  /** Default 11: two whole pieces and a short one. */
  readonly chunkCount?: number;
  readonly domain?: Domain;
  /** Plain bytes of a chunk, by its number; default a few hundred, all different, because a store must not count on one length. */
  readonly chunkBytes?: (chunk: number) => number;
  /** Every few bytes come twice, so that a piece can be a frame of half its size. Default: noise, which cannot. */
  readonly isCompressible?: boolean;
  /** The first chunks of the pack, of which it has then `chunkCount` more. */
  readonly shared?: readonly Uint8Array[];
}

/** A pack with all of its bytes, and the pieces of it that a test wants to write. */
export interface SamplePack {
  readonly descriptor: PackDescriptor;
  readonly bytes: Uint8Array;
  chunk(chunk: number): Uint8Array;
  /** The plain bytes of consecutive chunks. */
  run(firstChunk: number, count: number): Uint8Array;
  /** The masked chunks of a piece in a buffer of their own; all of them without a mask. */
  piece(piece: number, mask?: number): VerifiedPiece;
  pieces(): VerifiedPiece[];
  /** A whole piece that came as a frame. @throws TypeError if it is not compressible */
  framed(piece: number): VerifiedPiece & { readonly frame: Uint8Array };
}

export function samplePack(options: SamplePackOptions): SamplePack {
  const {
    seed,
    chunkCount = 11,
    domain = publicDomain,
    chunkBytes = (chunk) => 200 + 7 * chunk,
    isCompressible = false,
    shared = [],
  } = options;
  const random = createSeededRandom(seed);
  const chunkOf = (bytes: number): Uint8Array => {
    if (!isCompressible) return random.bytes(bytes);
    const unit = Math.min(2048, Math.ceil(bytes / 2));
    const units = Array.from({ length: Math.ceil(bytes / unit / 2) }, () => random.bytes(unit));
    return Buffer.concat(units.flatMap((each) => [each, each])).subarray(0, bytes);
  };
  const chunks = [...shared, ...Array.from({ length: chunkCount }, (_, i) => chunkOf(chunkBytes(shared.length + i)))];
  const digests = Buffer.concat(chunks.map((chunk) => digestOf(chunk)));
  const salt = domain === publicDomain ? undefined : digestOf(Buffer.from(`sample salt of ${domain}`));
  const descriptor = createPackDescriptor({ domain, digests, lengths: chunks.map((chunk) => chunk.length), salt });
  const bytes = Buffer.concat(chunks);
  const run = (firstChunk: number, count: number): Uint8Array =>
    bytes.subarray(chunkOffset(descriptor, firstChunk), chunkOffset(descriptor, firstChunk + count));
  const piece = (index: number, mask?: number): VerifiedPiece => {
    const { first, count } = pieceChunks(descriptor, index);
    const wanted = mask ?? (1 << count) - 1;
    const parts = Array.from({ length: count }, (_, i) => i).filter((i) => (wanted >> i) & 1);
    return verifyPiece(descriptor, index, wanted, Buffer.concat(parts.map((i) => run(first + i, 1))));
  };
  return {
    descriptor,
    bytes,
    chunk: (chunk) => run(chunk, 1),
    run,
    piece,
    pieces: () => Array.from({ length: descriptor.pieceCount }, (_, index) => piece(index)),
    framed(index) {
      const frame = encodePiece(piece(index).bytes);
      if (!frame) throw new TypeError(`piece ${index} does not get smaller: make the pack compressible`);
      return { ...verifyFrame(descriptor, index, frame), frame };
    },
  };
}

/** The same chunks in a project's pack as builds before private packs made it: without a salt, and so without a secret. */
export function unsalted(descriptor: PackDescriptor): PackDescriptor {
  return decodePackDescriptor(encodePackDescriptor({ ...descriptor, salt: undefined }));
}

/** The digests of some chunks, concatenated as `findChunks` takes them. */
export function digestsOf(pack: SamplePack, chunks: readonly number[]): Uint8Array {
  const { digests } = pack.descriptor;
  return Buffer.concat(chunks.map((i) => digests.subarray(i * limits.digestBytes, (i + 1) * limits.digestBytes)));
}
