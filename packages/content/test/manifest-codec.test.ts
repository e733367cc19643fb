import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../src/byte-writer.ts';
import { cdc64k, fixed64k } from '../src/cutter-spec.ts';
import { domain, publicDomain } from '../src/ids.ts';
import type { PackId } from '../src/ids.ts';
import { limits } from '../src/limits.ts';
import { createManifestBuilder } from '../src/manifest-builder.ts';
import { decodeManifest, encodeManifest } from '../src/manifest-codec.ts';
import { packLocator } from '../src/pack-secret.ts';
import { anyFitting, bitFlips, damaged, truncations } from './arbitraries.ts';
import { allocatedBytes, refusal, unlessRefused } from './hostile.ts';

const anyManifest = anyFitting.map(({ manifest }) => manifest);
const [packA, packB] = ['aa'.repeat(32) as PackId, 'bb'.repeat(32) as PackId];

describe('a manifest', () => {
  test('decodes to what was encoded, under the same id', () => {
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        expect(decodeManifest(encodeManifest(manifest), manifest.id)).toEqual(manifest);
      }),
    );
  });

  test('has one encoding: damaged bytes are refused or are the encoding of something else', () => {
    fc.assert(
      fc.property(fc.oneof(damaged(anyManifest.map(encodeManifest)), fc.uint8Array()), (bytes) => {
        const decoded = unlessRefused(() => decodeManifest(bytes));
        if (decoded) expect(Buffer.compare(encodeManifest(decoded), bytes)).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('of an image of no bytes has no extents', () => {
    const empty = createManifestBuilder({ domain: publicDomain, cutter: fixed64k }).build();
    expect(decodeManifest(encodeManifest(empty), empty.id)).toMatchObject({
      imageBytes: 0,
      packs: [],
      extents: { count: 0 },
    });
  });

  test('is refused at every truncation and every flipped bit', () => {
    for (const { manifest } of fc.sample(anyFitting, { numRuns: 8, seed: 7 })) {
      const good = encodeManifest(manifest);
      for (const bytes of truncations(good)) {
        expect(refusal(() => decodeManifest(bytes, manifest.id))).toBe('CONTENT_DIGEST_MISMATCH');
        expect(unlessRefused(() => decodeManifest(bytes))).toBeUndefined();
      }
      for (const bytes of bitFlips(good)) {
        expect(refusal(() => decodeManifest(bytes, manifest.id))).toBe('CONTENT_DIGEST_MISMATCH');
        const decoded = unlessRefused(() => decodeManifest(bytes));
        if (decoded) expect(decoded.id).not.toBe(manifest.id);
      }
    }
  });
});

/** A manifest by hand: what the builder never makes. */
function forged(parts: {
  /** Of the form that names private packs; a project's then. */
  readonly kinds?: readonly number[];
  readonly owner?: string;
  readonly cutter?: typeof fixed64k;
  readonly code?: number;
  readonly imageBytes: number;
  readonly hash?: readonly number[];
  readonly packs?: readonly PackId[];
  readonly packCount?: number;
  readonly extents: readonly (readonly number[])[];
  readonly extentCount?: number;
}): Uint8Array {
  const { cutter = fixed64k, packs = [], extents, kinds } = parts;
  const writer = new ByteWriter();
  writer.magic(kinds ? 'QMF2' : 'QMF1');
  writer.text(parts.owner ?? (kinds ? 'project:red' : 'public'));
  writer.u8(parts.code ?? (cutter.name === 'fixed-64k' ? 1 : 2));
  for (const bytes of [cutter.minBytes, cutter.meanBytes, cutter.maxBytes]) writer.varint(bytes);
  writer.varint(parts.imageBytes);
  writer.raw(Uint8Array.from(parts.hash ?? [0]));
  writer.varint(parts.packCount ?? packs.length);
  for (const [i, pack] of packs.entries()) {
    if (kinds) writer.u8(kinds[i] ?? 0);
    writer.raw(Buffer.from(pack, 'hex'));
  }
  writer.varint(parts.extentCount ?? extents.length);
  for (const field of extents.flat()) writer.varint(field);
  return writer.finish();
}

const KiB = 1024;
const one = 64 * KiB;
const [ZEROS, NEXT] = [0, 1];

test('the hand that forges can write a good one', () => {
  const good = forged({
    imageBytes: 5 * one + 1,
    packs: [packA, packB],
    extents: [
      [ZEROS, 1],
      [NEXT, 0, 0],
      [NEXT, 8, 1],
      [2, 0, 0],
      [ZEROS, 1],
    ],
  });
  const decoded = decodeManifest(good);
  expect([...decoded.extents.firstChunks]).toEqual([0, 0, 4, 1, 0]);
  expect([...decoded.extents.chunkCounts]).toEqual([0, 1, 2, 1, 0]);
  expect([...decoded.extents.offsets]).toEqual([0, one, 2 * one, 4 * one, 5 * one, 5 * one + 1]);
});

describe('a manifest that names private packs', () => {
  const secret = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
  const red = domain('project:red');

  test('names them by their secrets, and knows them by their locators', () => {
    const bytes = forged({
      imageBytes: 2 * one,
      kinds: [1, 0],
      packs: [packA, packB],
      extents: [
        [NEXT, 0, 0],
        [NEXT, 0, 0],
      ],
    });
    const decoded = decodeManifest(bytes);
    const locator = packLocator(secret(0xaa));
    expect(decoded.packs).toEqual([locator, packB]);
    expect(decoded.secrets).toEqual(new Map([[locator, secret(0xaa)]]));
    expect(Buffer.from(encodeManifest(decoded))).toEqual(Buffer.from(bytes));
    bytes.fill(0);
    expect(decoded.secrets.get(locator)).toEqual(secret(0xaa));
  });

  test('has the secrets that the builder was told, of the packs that it uses', () => {
    const builder = createManifestBuilder({ domain: red, cutter: fixed64k });
    const [used, unused] = [packLocator(secret(1)), packLocator(secret(2))];
    builder.addSecret(unused, secret(2));
    builder.addChunk(packA, 0, one);
    expect(builder.build().secrets).toEqual(new Map());
    builder.addChunk(used, 0, one);
    builder.addSecret(used, secret(1));
    const manifest = builder.build();
    expect(manifest.secrets).toEqual(new Map([[used, secret(1)]]));
    expect(decodeManifest(encodeManifest(manifest), manifest.id)).toEqual(manifest);
  });

  test('is built with the right secrets of a project’s packs only', () => {
    const wrong = createManifestBuilder({ domain: red, cutter: fixed64k });
    expect(() => wrong.addSecret(packA, secret(1))).toThrow(TypeError);
    const everybodys = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
    expect(() => everybodys.addSecret(packLocator(secret(1)), secret(1))).toThrow(TypeError);
  });

  test('of a project is written as before where it names none', () => {
    const builder = createManifestBuilder({ domain: red, cutter: fixed64k });
    builder.addChunk(packA, 0, one);
    const manifest = builder.build();
    const older = forged({ owner: 'project:red', imageBytes: one, packs: [packA], extents: [[NEXT, 0, 0]] });
    expect(Buffer.from(encodeManifest(manifest))).toEqual(Buffer.from(older));
    expect(decodeManifest(older, manifest.id)).toEqual(manifest);
  });
});

describe('a manifest is malformed', () => {
  const a = [packA];
  const ab = [packA, packB];
  const locatorOfA = packLocator(Buffer.from(packA, 'hex'));
  test.for([
    [
      'that is public and names a private pack',
      forged({ owner: 'public', kinds: [1], imageBytes: one, packs: a, extents: [[NEXT, 0, 0]] }),
    ],
    [
      'that names no private pack in the form for these',
      forged({ kinds: [0], imageBytes: one, packs: a, extents: [[NEXT, 0, 0]] }),
    ],
    ['that names a pack in an unknown way', forged({ kinds: [2], imageBytes: one, packs: a, extents: [[NEXT, 0, 0]] })],
    [
      'that names one pack by its secret and by its locator',
      forged({
        kinds: [1, 0],
        imageBytes: 2 * one,
        packs: [packA, locatorOfA],
        extents: [
          [NEXT, 0, 0],
          [NEXT, 0, 0],
        ],
      }),
    ],
    ['with an unknown cutter', forged({ code: 3, imageBytes: 0, extents: [] })],
    ['with other parameters than its cutter has', forged({ code: 2, imageBytes: 0, extents: [] })],
    ['with an unknown hash', forged({ imageBytes: 0, hash: [5], extents: [] })],
    [
      'that lists one pack twice',
      forged({
        imageBytes: 2 * one,
        packs: [packA, packA],
        extents: [
          [NEXT, 0, 0],
          [NEXT, 0, 0],
        ],
      }),
    ],
    ['that lists a pack it does not use', forged({ imageBytes: one, packs: ab, extents: [[NEXT, 0, 0]] })],
    ['that uses a pack it does not list', forged({ imageBytes: one, packs: [], extents: [[NEXT, 0, 0]] })],
    ['that names the first pack before its turn', forged({ imageBytes: one, packs: a, extents: [[2, 0, 0]] })],
    [
      'that names the second pack before the first',
      forged({
        imageBytes: 2 * one,
        packs: ab,
        extents: [
          [3, 0, 0],
          [NEXT, 0, 0],
        ],
      }),
    ],
    ['that stops before the image does', forged({ imageBytes: 2 * one, packs: a, extents: [[NEXT, 0, 0]] })],
    [
      'that goes on after the image',
      forged({
        imageBytes: one,
        packs: a,
        extents: [
          [NEXT, 0, 0],
          [ZEROS, 1],
        ],
      }),
    ],
    ['whose zeros go on after the image', forged({ imageBytes: one, extents: [[ZEROS, 2]] })],
    ['whose chunks go on after the image', forged({ imageBytes: one, packs: a, extents: [[NEXT, 0, 1]] })],
    [
      'with an extent of no zeros',
      forged({
        imageBytes: one,
        packs: a,
        extents: [
          [ZEROS, 0],
          [NEXT, 0, 0],
        ],
      }),
    ],
    [
      'with zeros after zeros',
      forged({
        imageBytes: 2 * one,
        extents: [
          [ZEROS, 1],
          [ZEROS, 1],
        ],
      }),
    ],
    [
      'with chunks that belong to the extent before',
      forged({
        imageBytes: 2 * one,
        packs: a,
        extents: [
          [NEXT, 0, 0],
          [2, 0, 0],
        ],
      }),
    ],
    ['with a chunk before the first', forged({ imageBytes: one, packs: a, extents: [[NEXT, 1, 0]] })],
    ['with a chunk after the last', forged({ imageBytes: one, packs: a, extents: [[NEXT, 8192, 0]] })],
    ["with a run over a pack's end", forged({ imageBytes: 2 * one, packs: a, extents: [[NEXT, 8190, 1]] })],
    ['with more chunks than a pack has', forged({ imageBytes: 4097 * one, packs: a, extents: [[NEXT, 0, 4096]] })],
    [
      'with a number of chunks that no pack has',
      forged({ imageBytes: 2 ** 44, packs: a, extents: [[NEXT, 0, 2 ** 53 - 2]] }),
    ],
    [
      'that has a short chunk before the end',
      forged({
        cutter: cdc64k,
        imageBytes: 20000,
        packs: a,
        extents: [
          [NEXT, 0, 0, 3616],
          [2, 2, 0, 16384],
        ],
      }),
    ],
    [
      'that has short zeros before the end',
      forged({
        cutter: cdc64k,
        imageBytes: 20000,
        packs: a,
        extents: [
          [ZEROS, 3616],
          [NEXT, 0, 0, 16384],
        ],
      }),
    ],
    [
      'with chunks larger than the cutter makes',
      forged({ cutter: cdc64k, imageBytes: 262145, packs: a, extents: [[NEXT, 0, 0, 262145]] }),
    ],
    [
      'with more chunks than the bytes can be',
      forged({ cutter: cdc64k, imageBytes: 32768, packs: a, extents: [[NEXT, 0, 2, 32768]] }),
    ],
    ['with a chunk of no bytes', forged({ cutter: cdc64k, imageBytes: 0, packs: a, extents: [[NEXT, 0, 0, 0]] })],
  ] as const)('%s', ([, bytes]) => {
    expect(refusal(() => decodeManifest(bytes))).toBe('CONTENT_MALFORMED');
  });
});

describe('a manifest that declares too much', () => {
  test.for([
    ['an image over 16 TiB', forged({ imageBytes: 2 ** 44 + 1, extents: [] })],
    ['more packs than the limit', forged({ imageBytes: 0, packCount: limits.maxManifestPacks + 1, extents: [] })],
    ['more extents than the limit', forged({ imageBytes: 0, extents: [], extentCount: limits.maxManifestExtents + 1 })],
  ] as const)('%s, is too large', ([, bytes]) => {
    expect(refusal(() => decodeManifest(bytes))).toBe('CONTENT_TOO_LARGE');
  });

  test('is not even hashed when it is longer than the limit', () => {
    expect(refusal(() => decodeManifest(new Uint8Array(limits.maxManifestBytes + 1), undefined))).toBe(
      'CONTENT_TOO_LARGE',
    );
  });

  test.for([
    ['4 million extents', forged({ imageBytes: 2 ** 44, extents: [[0, 1]], extentCount: limits.maxManifestExtents })],
    ['131,072 packs', forged({ imageBytes: 2 ** 44, packCount: limits.maxManifestPacks, extents: [[0, 1]] })],
  ] as const)('%s in 40 bytes, is refused before anything is allocated', ([, bytes]) => {
    expect(bytes.length).toBeLessThan(40);
    expect(allocatedBytes(() => refusal(() => decodeManifest(bytes)))).toBe(0);
  });

  test('allocates columns of no more than 10 times its bytes, however it lies', () => {
    const anyBytes = fc.oneof(anyManifest.map(encodeManifest), damaged(anyManifest.map(encodeManifest)));
    fc.assert(
      fc.property(anyBytes, fc.nat(5000), (bytes, extentCount) => {
        const lying = forged({ imageBytes: 2 ** 40, extents: [[...bytes]], extentCount });
        for (const given of [bytes, lying]) {
          const allocated = allocatedBytes(() => unlessRefused(() => decodeManifest(given)));
          expect(allocated).toBeLessThanOrEqual(10 * given.length);
        }
      }),
    );
  });
});

describe('the size of a manifest', () => {
  test('stays under its limit for the most packs and the most and longest extents', () => {
    const longestExtent = 3 + 2 + 2 + 5;
    const longest = 256 + limits.maxManifestPacks * (1 + 32) + limits.maxManifestExtents * longestExtent;
    expect(longest).toBeLessThan(limits.maxManifestBytes);
  });

  test('is 3 bytes for each change between a base image and its snapshot', () => {
    const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
    for (let i = 0; i < 1000; i += 1) {
      builder.addChunk(packA, 4 * i, one);
      builder.addChunk(packA, 4 * i + 1, one);
      builder.addChunk(packB, i, one);
    }
    expect(encodeManifest(builder.build()).length).toBeLessThan(120 + 2000 * 3);
  });
});
