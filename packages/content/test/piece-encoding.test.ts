import { constants, zstdCompressSync } from 'node:zlib';
import { createSeededRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { ContentError } from '../src/content-error.ts';
import { digestOf } from '../src/digest.ts';
import { publicDomain } from '../src/ids.ts';
import { createPackDescriptor } from '../src/pack-codec.ts';
import { decodePiece, encodePiece } from '../src/piece-encoding.ts';
import { verifyFrame } from '../src/verified-piece.ts';

const random = createSeededRandom(4);
const noise = random.bytes(1024 * 1024);
/** Bytes of text-like repetitiveness. */
const text = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => 97 + (((i * i) >> 9) % 23));
const descriptor = createPackDescriptor({
  domain: publicDomain,
  digests: Buffer.concat([0, 1, 2, 3].map((i) => digestOf(text.subarray(i << 16, (i + 1) << 16)))),
  lengths: [65536, 65536, 65536, 65536],
});
const piece = text.subarray(0, 4 << 16);
const frameOf = (bytes: Uint8Array): Uint8Array => {
  const frame = encodePiece(bytes);
  if (!frame) throw new Error('not worth it?');
  return frame;
};

describe('the encoding of a piece', () => {
  test('gives back what was encoded, in less', () => {
    const frame = frameOf(text);
    expect(frame.length).toBeLessThan(text.length / 2);
    expect(decodePiece(frame, text.length)).toEqual(Buffer.from(text));
  });

  test('is not used for what does not get smaller', () => {
    expect(encodePiece(noise)).toBeUndefined();
    expect(encodePiece(noise.subarray(0, 100))).toBeUndefined();
    expect(encodePiece(new Uint8Array(0))).toBeUndefined();
  });

  test('never decodes to more than the piece has, whatever the frame says', () => {
    const bomb = zstdCompressSync(new Uint8Array(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(16 * 1024);
    expect(() => decodePiece(bomb, 1024 * 1024)).toThrow(ContentError);
    const wideWindow = zstdCompressSync(text, { params: { [constants.ZSTD_c_windowLog]: 27 } });
    expect(decodePiece(wideWindow, text.length).length).toBe(text.length); // small enough after all
  });

  test.each([
    ['too long', (frame: Uint8Array) => Buffer.concat([frame, Buffer.from('more')])],
    ['cut', (frame: Uint8Array) => frame.subarray(0, -5)],
    ['empty', () => new Uint8Array(0)],
    ['noise', (frame: Uint8Array) => noise.subarray(0, frame.length)],
    ['of another length', () => frameOf(piece.subarray(0, piece.length - 1))],
  ])('refuses a frame that is %s', (_, spoil) => {
    const spoilt = spoil(frameOf(piece));
    expect(() => decodePiece(spoilt, piece.length)).toThrow(ContentError);
  });
});

describe('a piece that came as a frame', () => {
  test('is verified after decoding, and keeps its frame', () => {
    const frame = frameOf(piece);
    expect(verifyFrame(descriptor, 0, frame)).toMatchObject({ piece: 0, mask: 15, bytes: Buffer.from(piece), frame });
  });

  test('is refused if its bytes are not the chunks', () => {
    const other = Uint8Array.from(piece, (byte, i) => (i === 70_000 ? byte ^ 1 : byte));
    expect(() => verifyFrame(descriptor, 0, frameOf(other))).toThrow(/chunk 1 of pack/);
  });

  test('is refused if there is no such piece', () => {
    expect(() => verifyFrame(descriptor, 1, frameOf(piece))).toThrow(/has no piece 1/);
  });
});
