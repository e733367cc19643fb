import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { imageRef } from '../src/ids.ts';
import {
  encodeImageKey,
  imageKeyOf,
  imageLocator,
  imageLocatorFrom,
  imageSecret,
  isGoneVoucher,
  isImageProof,
  locatorBytes,
  makeGoneVoucher,
  makeImageProof,
} from '../src/image-key.ts';
import type { ImageKey } from '../src/image-key.ts';

const key: ImageKey = {
  ref: imageRef('11111111-2222-3333-4444-555555555555'),
  imageBytes: 1_048_576,
  hash: { algorithm: 'sha512', value: 'ab'.repeat(64) },
};
const keyArb: fc.Arbitrary<ImageKey> = fc.record({
  ref: fc.constantFrom('a', 'b', 'ab', 'Zürich').map(imageRef),
  imageBytes: fc.nat(300),
  hash: fc.oneof(
    fc.constantFrom('00', 'ff').map((byte) => ({ algorithm: 'sha256' as const, value: byte.repeat(32) })),
    fc.constantFrom('00', 'ff').map((byte) => ({ algorithm: 'sha512' as const, value: byte.repeat(64) })),
    fc.constant({ algorithm: 'blake2b512' as const, value: '00'.repeat(64) }),
  ),
});

describe('an image key', () => {
  test('has a locator and a secret of its own, which differ', () => {
    fc.assert(
      fc.property(keyArb, keyArb, (a, b) => {
        const isSame = Buffer.compare(encodeImageKey(a), encodeImageKey(b)) === 0;
        expect(imageLocator(a) === imageLocator(b)).toBe(isSame);
        expect(Buffer.compare(imageSecret(a), imageSecret(b)) === 0).toBe(isSame);
        expect(imageLocator(a)).not.toBe(Buffer.from(imageSecret(a)).toString('hex'));
        expect(imageLocatorFrom(locatorBytes(imageLocator(a)))).toBe(imageLocator(a));
      }),
    );
  });

  test('is another when any of its parts is', () => {
    const others: ImageKey[] = [
      { ...key, ref: imageRef('11111111-2222-3333-4444-555555555556') },
      { ...key, imageBytes: key.imageBytes + 1 },
      { ...key, hash: { algorithm: 'sha512', value: `${'ab'.repeat(63)}ac` } },
      { ...key, hash: { algorithm: 'blake2b512', value: key.hash.value } },
    ];
    expect(new Set([key, ...others].map(imageLocator)).size).toBe(5);
  });

  test('refuses a hash that is not lower-case hex: the same image would have two keys', () => {
    const upper = { ...key, hash: { ...key.hash, value: 'AB'.repeat(64) } };
    expect(() => imageLocator(upper)).toThrow(TypeError);
  });

  test('is that of a record which states a hash, and of no other', () => {
    expect(imageKeyOf(key)).toEqual(key);
    expect(imageKeyOf({ ...key, hash: undefined })).toBeUndefined();
  });
});

describe('a proof', () => {
  const secret = imageSecret(key);
  const proof = makeImageProof(secret, 'asker', 'server');

  test('is good for this asker, this server and this image alone', () => {
    expect(isImageProof(proof, secret, 'asker', 'server')).toBe(true);
    expect(isImageProof(proof, secret, 'server', 'asker')).toBe(false);
    expect(isImageProof(proof, secret, 'other', 'server')).toBe(false);
    expect(isImageProof(proof, secret, 'asker', 'other')).toBe(false);
    expect(isImageProof(proof, secret, 'askers', 'erver')).toBe(false);
    expect(isImageProof(proof, imageSecret({ ...key, imageBytes: 1 }), 'asker', 'server')).toBe(false);
  });

  test('of another length, or with a bit changed, is wrong', () => {
    expect(isImageProof(proof.subarray(1), secret, 'asker', 'server')).toBe(false);
    expect(isImageProof(new Uint8Array(0), secret, 'asker', 'server')).toBe(false);
    for (let bit = 0; bit < 256; bit += 1) {
      const changed = new Uint8Array(proof);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(isImageProof(changed, secret, 'asker', 'server')).toBe(false);
    }
  });
});

test('a voucher is good for its author and image alone', () => {
  const secret = imageSecret(key);
  const voucher = makeGoneVoucher(secret, 'author');
  expect(isGoneVoucher(voucher, secret, 'author')).toBe(true);
  expect(isGoneVoucher(voucher, secret, 'other')).toBe(false);
  expect(isGoneVoucher(voucher, imageSecret({ ...key, imageBytes: 1 }), 'author')).toBe(false);
  expect(isGoneVoucher(makeImageProof(secret, 'author', 'author'), secret, 'author')).toBe(false);
});
