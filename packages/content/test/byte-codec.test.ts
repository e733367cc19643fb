import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../src/byte-reader.ts';
import { ByteWriter } from '../src/byte-writer.ts';
import { refusal, unlessRefused } from './hostile.ts';

const readVarint = (...bytes: number[]): number => new ByteReader(Uint8Array.from(bytes), 'test').varint();

describe('a varint', () => {
  test('reads as it was written', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(300)), (value) => {
        const writer = new ByteWriter();
        writer.varint(value);
        const reader = new ByteReader(writer.finish(), 'test');
        expect(reader.varint()).toBe(value);
        reader.end();
      }),
    );
  });

  test('has one spelling: what reads at all is what the writer writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 10 }), (bytes) => {
        const reader = new ByteReader(bytes, 'test');
        const value = unlessRefused(() => reader.varint());
        if (value === undefined) return;
        const writer = new ByteWriter();
        writer.varint(value);
        expect([...writer.finish()]).toEqual([...bytes.subarray(0, reader.at)]);
      }),
    );
  });

  test('reaches exactly 2^53 - 1', () => {
    expect(readVarint(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f)).toBe(Number.MAX_SAFE_INTEGER);
    expect(refusal(() => readVarint(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10))).toBe('CONTENT_MALFORMED');
    expect(() => new ByteWriter().varint(2 ** 53)).toThrow(TypeError);
    expect(() => new ByteWriter().varint(-1)).toThrow(TypeError);
  });

  test.for([
    ['padded', [0x80, 0x00]],
    ['padded twice', [0xff, 0x80, 0x00]],
    ['unfinished', [0x80]],
    ['without end', Array<number>(20).fill(0x80)],
  ] as const)('that is %s is malformed', ([, bytes]) => {
    expect(refusal(() => readVarint(...bytes))).toBe('CONTENT_MALFORMED');
  });
});

describe('text', () => {
  test('reads as it was written, a byte order mark included', () => {
    const writer = new ByteWriter();
    writer.text('\ufeffnaïve');
    expect(new ByteReader(writer.finish(), 'test').text()).toBe('\ufeffnaïve');
  });

  test.for([
    ['an overlong slash', [2, 0xc0, 0xaf]],
    ['half a surrogate pair', [3, 0xed, 0xa0, 0x80]],
    ['a character cut in two', [1, 0xc3]],
    ['fewer bytes than it says', [4, 0x61]],
  ] as const)('with %s is malformed', ([, bytes]) => {
    expect(refusal(() => new ByteReader(Uint8Array.from(bytes), 'test').text())).toBe('CONTENT_MALFORMED');
  });

  test('over 255 bytes cannot be written', () => {
    expect(() => new ByteWriter().text('x'.repeat(256))).toThrow(TypeError);
  });
});

describe('a count', () => {
  test('over its limit is too large, one that the bytes cannot hold is malformed', () => {
    const reader = (): ByteReader => new ByteReader(Uint8Array.from([5, 0, 0, 0]), 'test');
    expect(refusal(() => reader().count('things', 4, 0))).toBe('CONTENT_TOO_LARGE');
    expect(refusal(() => reader().count('things', 5, 1))).toBe('CONTENT_MALFORMED');
    expect(reader().count('things', 5, 0)).toBe(5);
  });
});

test('fixed-width numbers are little-endian', () => {
  const writer = new ByteWriter(1);
  writer.u16(0x0102);
  writer.u24(0x030405);
  expect([...writer.finish()]).toEqual([2, 1, 5, 4, 3]);
  const reader = new ByteReader(writer.finish(), 'test');
  expect([reader.u16(), reader.u24(), reader.remaining]).toEqual([0x0102, 0x030405, 0]);
});

test('a refusal names what was read and where', () => {
  const reader = new ByteReader(Uint8Array.from([1, 2]), 'manifest');
  reader.u8();
  expect(reader.malformed('is wrong')).toMatchObject({
    message: 'manifest is wrong (at byte 1)',
    details: { what: 'manifest', at: 1, bytes: 2 },
  });
});
