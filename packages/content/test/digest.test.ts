import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  digestBackend,
  digestEquals,
  digestHex,
  digestOf,
  loadNativeDigest,
  loadPortableDigest,
} from '../src/digest.ts';

describe('BLAKE3', () => {
  const hasBinary = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');

  test.runIf(hasBinary)('is native where there is a binary for the platform', () => {
    expect(digestBackend.kind).toBe('native');
    expect(digestBackend.name).toMatch(/^@napi-rs\/blake-hash \d/);
  });

  test('gives the digests of its own test vectors', () => {
    // https://github.com/BLAKE3-team/BLAKE3/blob/master/test_vectors/test_vectors.json: bytes 0, 1, … 250, 0, 1, …
    const input = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i % 251);
    for (const backend of hasBinary ? [loadNativeDigest(), loadPortableDigest()] : [loadPortableDigest()]) {
      const hex = (bytes: number): string => Buffer.from(backend.digest(input(bytes))).toString('hex');
      expect(hex(0)).toBe('af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
      expect(hex(1)).toBe('2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213');
      expect(hex(1024)).toBe('42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7');
    }
  });

  test.runIf(hasBinary)('is the same natively and portably, for views too', () => {
    const [native, portable] = [loadNativeDigest(), loadPortableDigest()];
    expect([native.kind, portable.kind]).toEqual(['native', 'portable']);
    expect(portable.name).toMatch(/^blake3 \d/);
    const noise = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7);
    const anyView = fc.tuple(fc.nat(1000), fc.oneof(fc.nat(5000), fc.nat(270_000)));
    fc.assert(
      fc.property(anyView, ([at, length]) => {
        const view = noise.subarray(at, at + length);
        expect(digestEquals(native.digest(view), portable.digest(view))).toBe(true);
        expect(digestEquals(native.digest(view), native.digest(view.slice()))).toBe(true);
      }),
    );
  });

  test('has 32 bytes, or 64 digits', () => {
    expect(digestOf(new Uint8Array(5)).length).toBe(32);
    expect(digestHex(new Uint8Array(5))).toBe(Buffer.from(digestOf(new Uint8Array(5))).toString('hex'));
    expect(digestEquals(digestOf(Buffer.of(1)), digestOf(Buffer.of(2)))).toBe(false);
  });
});
