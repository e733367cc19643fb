import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ContentError } from '../src/content-error.ts';
import { digestOf } from '../src/digest.ts';
import { publicDomain } from '../src/ids.ts';
import { createPackDescriptor } from '../src/pack-codec.ts';
import {
  chunkDigest,
  chunkOffset,
  fullPieceMask,
  maskedBytes,
  packBytes,
  pieceChunks,
} from '../src/pack-descriptor.ts';
import { sealPiece, verifyPiece } from '../src/verified-piece.ts';
import { refusal } from './hostile.ts';

// 10 chunks: pieces of 4, 4 and 2.
const chunks = Array.from({ length: 10 }, (_, i) => createSeededRandom(i).bytes(100 + i));
const descriptor = createPackDescriptor({
  domain: publicDomain,
  digests: Buffer.concat(chunks.map((chunk) => digestOf(chunk))),
  lengths: chunks.map((chunk) => chunk.length),
});
const bytesOf = (piece: number, mask: number): Uint8Array =>
  Buffer.concat(chunks.filter((_, i) => i >> 2 === piece && (mask >> (i & 3)) & 1));

describe('a piece', () => {
  test('with any of its chunks is verified, and refused after any one bit is flipped', () => {
    const anyPart = fc
      .nat(2)
      .chain((piece) =>
        fc.record({ piece: fc.constant(piece), mask: fc.integer({ min: 1, max: piece === 2 ? 3 : 15 }) }),
      );
    fc.assert(
      fc.property(anyPart, fc.nat(), ({ piece, mask }, flip) => {
        const bytes = new Uint8Array(bytesOf(piece, mask));
        expect(verifyPiece(descriptor, piece, mask, bytes)).toMatchObject({ piece, mask, bytes });
        const bit = flip % (bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(refusal(() => verifyPiece(descriptor, piece, mask, bytes))).toBe('CONTENT_DIGEST_MISMATCH');
      }),
    );
  });

  test('that fails names the first bad chunk', () => {
    const bytes = new Uint8Array(bytesOf(1, 0b1110));
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    bytes[chunks[5]?.length ?? 0] = (bytes[chunks[5]?.length ?? 0] ?? 0) ^ 1;
    let failure: unknown;
    try {
      verifyPiece(descriptor, 1, 0b1110, bytes);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(ContentError);
    expect(failure).toMatchObject({ details: { pack: descriptor.id, piece: 1, chunk: 6 } });
  });

  test.for([
    ['without a chunk', 0, 0, 0],
    ['with a chunk that the last piece has not', 2, 0b100, 100],
    ['with a mask that is no whole number', 0, 1.5, 100],
    ['with a mask of more than 32 bits', 0, 2 ** 32 + 1, 100],
    ['that the pack has not', 3, 1, 100],
    ['before the first', -1, 1, 100],
    ['with a byte too few', 0, 1, 99],
    ['with a byte too many', 0, 1, 101],
  ] as const)('%s is malformed', ([, piece, mask, bytes]) => {
    expect(refusal(() => verifyPiece(descriptor, piece, mask, new Uint8Array(bytes)))).toBe('CONTENT_MALFORMED');
  });

  test('that its maker just hashed is sealed whole or not at all', () => {
    expect(sealPiece(descriptor, 2, bytesOf(2, 3))).toMatchObject({ piece: 2, mask: 3 });
    expect(refusal(() => sealPiece(descriptor, 2, bytesOf(2, 1)))).toBe('CONTENT_MALFORMED');
    expect(refusal(() => sealPiece(descriptor, 3, bytesOf(2, 3)))).toBe('CONTENT_MALFORMED');
    expect(refusal(() => sealPiece(descriptor, 0.5, bytesOf(0, 15)))).toBe('CONTENT_MALFORMED');
  });

  test('knows its place in the pack', () => {
    expect(pieceChunks(descriptor, 2)).toEqual({ first: 8, count: 2 });
    expect(fullPieceMask(descriptor, 1)).toBe(0b1111);
    expect(maskedBytes(descriptor, 2, 0b10)).toBe(109);
    expect(chunkOffset(descriptor, 2)).toBe(201);
    expect(packBytes(descriptor)).toBe(1045);
    expect(chunkDigest(descriptor, 3)).toEqual(new Uint8Array(digestOf(chunks[3] ?? new Uint8Array(0))));
  });
});
