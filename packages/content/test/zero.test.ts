import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isZero } from '../src/zero.ts';

test('zeros are zero at any length and any offset of their buffer', () => {
  const zeros = new Uint8Array(300_000);
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(299_000), (at, length) => {
      expect(isZero(zeros.subarray(at, at + length))).toBe(true);
    }),
  );
  expect(isZero(zeros.subarray(0, 0))).toBe(true);
});

test('one bit anywhere is seen', () => {
  const bytes = new Uint8Array(200_000);
  fc.assert(
    fc.property(fc.oneof(fc.nat(199_999), fc.constantFrom(0, 65535, 65536, 131071, 199_999)), fc.nat(7), (at, bit) => {
      bytes[at] = 1 << bit;
      expect(isZero(bytes)).toBe(false);
      bytes[at] = 0;
    }),
  );
});

test('bytes around the view do not count', () => {
  const bytes = new Uint8Array(100).fill(1);
  bytes.fill(0, 10, 90);
  expect(isZero(bytes.subarray(10, 90))).toBe(true);
});
