import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestHex, digestOf } from '../src/digest.ts';
import { unsalted } from '../src/conformance/sample-pack.ts';
import { domain, publicDomain } from '../src/ids.ts';
import type { PackId } from '../src/ids.ts';
import { limits } from '../src/limits.ts';
import { createPackDescriptor, decodePackDescriptor, encodePackDescriptor } from '../src/pack-codec.ts';
import type { PackDescriptor } from '../src/pack-descriptor.ts';
import { chunkLength, packAccess, packBytes } from '../src/pack-descriptor.ts';
import { packLocator } from '../src/pack-secret.ts';
import { anyDescriptor, bitFlips, damaged, digests, truncations } from './arbitraries.ts';
import { allocatedBytes, refusal, unlessRefused } from './hostile.ts';

const pack = (lengths: number[]): PackDescriptor =>
  createPackDescriptor({ domain: publicDomain, lengths, digests: digests(lengths.length) });

const red = domain('project:red');
const salt = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
const privatePack = (seed = 1): PackDescriptor =>
  createPackDescriptor({ domain: red, lengths: [65536, 3], digests: digests(2), salt: salt(seed) });

describe('a pack descriptor', () => {
  test('decodes to what was encoded, under the same id', () => {
    fc.assert(
      fc.property(anyDescriptor, (descriptor) => {
        expect(decodePackDescriptor(encodePackDescriptor(descriptor), descriptor.id)).toEqual(descriptor);
      }),
    );
  });

  test('has one encoding: damaged bytes are refused or are the encoding of something else', () => {
    fc.assert(
      fc.property(fc.oneof(damaged(anyDescriptor.map(encodePackDescriptor)), fc.uint8Array()), (bytes) => {
        const decoded = unlessRefused(() => decodePackDescriptor(bytes));
        if (decoded) expect(Buffer.compare(encodePackDescriptor(decoded), bytes)).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('writes no length but the last where all others are 64 KiB', () => {
    const bytes = (lengths: number[]): number => encodePackDescriptor(pack(lengths)).length - 32 * lengths.length;
    expect(bytes([65536, 65536, 1])).toBe(bytes([1]));
    expect(bytes([65536, 65536, 65537])).toBe(bytes([1]) + 6);
    expect(bytes([65535, 65536])).toBe(bytes([1]) + 3);
  });

  test('of 4,096 chunks fits the limit in the longest form and adds up', () => {
    const owner = domain(`project:${'x'.repeat(80)}`);
    const lengths = Array<number>(4096).fill(262144);
    const descriptor = createPackDescriptor({ domain: owner, lengths, digests: digests(4096), salt: salt(1) });
    const encoded = encodePackDescriptor(descriptor);
    expect(encoded.length).toBe(limits.maxDescriptorBytes);
    expect(packBytes(decodePackDescriptor(encoded, descriptor.id))).toBe(2 ** 30);
    expect(descriptor).toMatchObject({ chunkCount: 4096, chunksPerPiece: 16, pieceCount: 256 });
  });

  test('keeps nothing of the buffers it was made from', () => {
    const ours = digests(2);
    const made = createPackDescriptor({ domain: publicDomain, lengths: [1, 2], digests: ours });
    const encoded = encodePackDescriptor(made);
    const decoded = decodePackDescriptor(encoded);
    ours.fill(0);
    encoded.fill(0);
    expect(decoded).toEqual(made);
    expect(chunkLength(decoded, 1)).toBe(2);
  });

  test.for([
    [1, 4, 1],
    [5, 4, 2],
    [1024, 4, 256],
    [1025, 8, 129],
    [2048, 8, 256],
    [2049, 16, 129],
    [4096, 16, 256],
  ] as const)('of %i chunks has pieces of %i, %i of them', ([count, chunksPerPiece, pieceCount]) => {
    expect(pack(Array<number>(count).fill(1))).toMatchObject({ chunksPerPiece, pieceCount });
  });
});

describe('the descriptor of a project’s pack', () => {
  test('names it by a locator, which is made of a secret that is made of the bytes', () => {
    const descriptor = privatePack();
    const encoded = encodePackDescriptor(descriptor);
    expect(descriptor.secret).toEqual(new Uint8Array(digestOf(encoded)));
    expect(descriptor.id).toBe(packLocator(digestOf(encoded)));
    expect(descriptor.id).not.toBe(digestHex(encoded));
    expect(decodePackDescriptor(encoded, descriptor.id)).toEqual(descriptor);
    expect(packAccess(descriptor)).toEqual({ kind: 'secret', secret: descriptor.secret });
  });

  test('with another salt names another pack, and the same again with the same', () => {
    expect(privatePack(2).id).not.toBe(privatePack(1).id);
    expect(privatePack(1)).toEqual(privatePack(1));
  });

  test('of an older build has no secret, and nobody may have the pack', () => {
    const older = unsalted(privatePack());
    const encoded = encodePackDescriptor(older);
    expect(older).toMatchObject({ id: digestHex(encoded), salt: undefined, secret: undefined });
    expect(decodePackDescriptor(encoded, older.id)).toEqual(older);
    expect(packAccess(older)).toEqual({ kind: 'closed' });
    expect(packAccess(pack([5]))).toEqual({ kind: 'open' });
  });

  test('is not taken for that of a pack by whose plain digest it is asked for', () => {
    const encoded = encodePackDescriptor(privatePack());
    expect(refusal(() => decodePackDescriptor(encoded, digestHex(encoded) as PackId))).toBe('CONTENT_DIGEST_MISMATCH');
  });

  test('keeps nothing of the salt it was made with', () => {
    const given = salt(1);
    const made = createPackDescriptor({ domain: red, lengths: [1], digests: digests(1), salt: given });
    given.fill(9);
    expect(made.salt).toEqual(salt(1));
  });
});

describe('a pack descriptor that is not one', () => {
  const good = encodePackDescriptor(pack([65536, 70000, 3]));
  const id = pack([65536, 70000, 3]).id;
  // "QPK1", 6 public, then the count at 11, the mode at 13, the lengths at 14 and the digests at 23.
  const changed = (at: number, ...bytes: number[]): Uint8Array => {
    const out = good.slice();
    out.set(bytes, at);
    return out;
  };

  test('is refused at every truncation and every flipped bit when its id is known', () => {
    for (const bytes of truncations(good)) {
      expect(refusal(() => decodePackDescriptor(bytes, id))).toBe('CONTENT_DIGEST_MISMATCH');
      expect(refusal(() => decodePackDescriptor(bytes))).toBe('CONTENT_MALFORMED');
    }
    for (const bytes of bitFlips(good)) {
      expect(refusal(() => decodePackDescriptor(bytes, id))).toBe('CONTENT_DIGEST_MISMATCH');
      const decoded = unlessRefused(() => decodePackDescriptor(bytes));
      if (decoded) expect(decoded.id).not.toBe(id);
    }
  });

  test.for([
    ['another magic', changed(3, 0x33)],
    ['a salt, of a public pack', Buffer.concat([changed(3, 0x32).subarray(0, 11), salt(1), good.subarray(11)])],
    ['a domain that is none', changed(5, 0x50)],
    ['no chunks', changed(11, 0, 0)],
    ['more than 4,096 chunks', changed(11, 1, 16)],
    ['an unknown length mode', changed(13, 2)],
    ['a chunk of no bytes', changed(20, 0, 0, 0)],
    ['a chunk of more than 256 KiB', changed(17, 1, 0, 4)],
    ['a table that the short form would do for', changed(17, 0, 0, 1)],
    ['one digest twice', changed(23, ...good.subarray(55, 87))],
    ['a byte too many', Buffer.concat([good, Buffer.of(0)])],
  ] as const)('with %s is malformed', ([, bytes]) => {
    expect(refusal(() => decodePackDescriptor(bytes))).toBe('CONTENT_MALFORMED');
  });

  test('with a last chunk over 64 KiB in the short form is malformed', () => {
    const short = encodePackDescriptor(pack([65536, 3]));
    short.set([1, 0, 1], 14);
    expect(refusal(() => decodePackDescriptor(short))).toBe('CONTENT_MALFORMED');
  });

  test('is not even hashed when it is longer than the limit', () => {
    expect(refusal(() => decodePackDescriptor(new Uint8Array(limits.maxDescriptorBytes + 1), id))).toBe(
      'CONTENT_TOO_LARGE',
    );
  });

  test('allocates nothing by a count that its bytes do not bear out', () => {
    const tiny = Buffer.concat([good.subarray(0, 11), Buffer.of(0, 16, 1, 1, 0, 0)]); // 17 bytes, 4,096 chunks
    expect(allocatedBytes(() => refusal(() => decodePackDescriptor(tiny)))).toBe(0);
  });
});

describe('making a pack', () => {
  test.for([
    ['no chunks', [], 0],
    ['4,097 chunks', Array<number>(4097).fill(1), 4097],
    ['a chunk of no bytes', [1, 0], 2],
    ['a chunk over 256 KiB', [262145], 1],
    ['a fraction of a byte', [1.5], 1],
    ['fewer digests than lengths', [1, 1], 1],
  ] as const)('of %s is a mistake of the caller', ([, lengths, count]) => {
    expect(() => createPackDescriptor({ domain: publicDomain, lengths, digests: digests(count) })).toThrow(TypeError);
  });

  test.for([
    ['a public pack with a salt', publicDomain, salt(1)],
    ['a project’s pack without one', red, undefined],
    ['a project’s pack with a short one', red, salt(1).subarray(1)],
  ] as const)('%s is a mistake of the caller', ([, owner, given]) => {
    expect(() => createPackDescriptor({ domain: owner, lengths: [1], digests: digests(1), salt: given })).toThrow(
      TypeError,
    );
  });

  test('that holds one chunk twice is refused', () => {
    const twice = Buffer.concat([digests(1), digests(1)]);
    expect(refusal(() => createPackDescriptor({ domain: publicDomain, lengths: [1, 1], digests: twice }))).toBe(
      'CONTENT_MALFORMED',
    );
  });
});
