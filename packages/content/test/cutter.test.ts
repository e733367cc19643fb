import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cdc64k, fixed64k } from '../src/cutter-spec.ts';
import type { CutterSpec } from '../src/cutter-spec.ts';
import { createCutter } from '../src/cutter.ts';
import { digestHex } from '../src/digest.ts';
import { EARLY_MASK, GEAR, LATE_MASK } from '../src/gear.ts';

const KiB = 1024;
const specs = [fixed64k, cdc64k];

/** Noise with holes and repeats, so that boundaries fall early, late and not at all. */
function sampleImage(bytes: number, seed: number): Uint8Array {
  const random = createSeededRandom(seed);
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes; ) {
    const length = Math.min(bytes - at, 1 + Math.floor(random.next() * 400 * KiB));
    if (random.next() < 0.6) out.set(random.bytes(length), at);
    else out.fill(random.next() < 0.5 ? 0 : 7, at, at + length);
    at += length;
  }
  return out;
}

function cut(spec: CutterSpec, portions: Iterable<Uint8Array>): Uint8Array[] {
  const cutter = createCutter(spec);
  const chunks: Uint8Array[] = [];
  for (const portion of portions) chunks.push(...cutter.push(portion));
  return [...chunks, ...cutter.end()];
}

function* portions(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const lengths = (chunks: readonly Uint8Array[]): number[] => chunks.map((chunk) => chunk.length);

/** FORMAT.md's loop, word for word. */
function lengthsByTheBook(image: Uint8Array): number[] {
  const found: number[] = [];
  for (let start = 0; start < image.length; ) {
    const most = Math.min(image.length - start, 262144);
    let hash = 0;
    let length = 16384;
    for (; length <= most; length += 1) {
      hash = (hash * 2 + ((GEAR[image[start + length - 1] ?? 0] ?? 0) >>> 0)) % 2 ** 32;
      if (length < 65536 ? hash < 2 ** 14 : hash < 2 ** 18) break;
    }
    found.push(Math.min(length, most));
    start += Math.min(length, most);
  }
  return found;
}

describe.for(specs)('the cutter $name', (spec) => {
  test('cuts the same however the stream is split, and loses no byte', () => {
    const image = sampleImage(1_500_001, 3);
    const expected = cut(spec, [image]);
    expect(Buffer.compare(Buffer.concat(expected), image)).toBe(0);
    const anySizes = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 600_000 }), fc.constantFrom(65536, 65535, 1, 262144)),
      {
        minLength: 1,
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(
        anySizes.filter((sizes) => sizes.some((size) => size > 1000)),
        (sizes) => {
          const chunks = cut(spec, portions(image, sizes));
          expect(lengths(chunks)).toEqual(lengths(expected));
          expect(Buffer.compare(Buffer.concat(chunks), image)).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('makes no chunk larger than its largest, and only the last smaller than its smallest', () => {
    for (const seed of [1, 2, 3]) {
      const all = lengths(cut(spec, [sampleImage(2_000_000, seed)]));
      for (const length of all) expect(length).toBeLessThanOrEqual(spec.maxBytes);
      for (const length of all.slice(0, -1)) expect(length).toBeGreaterThanOrEqual(spec.minBytes);
    }
  });

  test.for([0, 1, 16383, 16384, 65535, 65536, 65537, 262144])('cuts %i bytes of noise', (bytes) => {
    const image = createSeededRandom(bytes).bytes(bytes);
    for (const chunks of [cut(spec, [image]), cut(spec, portions(image, [777]))]) {
      expect(Buffer.concat(chunks).equals(image)).toBe(true);
      expect(chunks.every((chunk) => chunk.length > 0)).toBe(true);
    }
  });

  test('gives views of a buffer that a chunk lies in, and copies what straddles', () => {
    const image = sampleImage(1_000_000, 9);
    expect(
      cut(spec, [image])
        .slice(0, -1)
        .every((chunk) => chunk.buffer === image.buffer),
    ).toBe(true);
    const chunks = cut(spec, portions(image, [10_000]));
    const expected = chunks.map((chunk) => digestHex(chunk));
    image.fill(0xff);
    expect(chunks.map((chunk) => digestHex(chunk))).toEqual(expected);
  });

  test('keeps what it carries over although the pushed buffer is used again', () => {
    const image = sampleImage(700_000, 4);
    const reused = new Uint8Array(9_999);
    const cutter = createCutter(spec);
    const hashes: string[] = [];
    for (const portion of portions(image, [reused.length])) {
      reused.set(portion);
      for (const chunk of cutter.push(reused.subarray(0, portion.length))) hashes.push(digestHex(chunk));
    }
    for (const chunk of cutter.end()) hashes.push(digestHex(chunk));
    expect(hashes).toEqual(cut(spec, [image]).map((chunk) => digestHex(chunk)));
  });

  test('takes nothing after its end', () => {
    const cutter = createCutter(spec);
    expect(cutter.end()).toEqual([]);
    expect(() => cutter.push(new Uint8Array(1))).toThrow(TypeError);
  });
});

describe('cutting by content', () => {
  test('follows the book', () => {
    for (const seed of [11, 12, 13]) {
      const image = sampleImage(1_200_000, seed);
      expect(lengths(cut(cdc64k, [image]))).toEqual(lengthsByTheBook(image));
    }
  });

  test('finds the same chunks again after bytes were put in or taken away', () => {
    const image = createSeededRandom(5).bytes(4_000_000);
    const known = new Set(cut(cdc64k, [image]).map((chunk) => digestHex(chunk)));
    const shifted = [image.subarray(0, 1_000_000), Buffer.from('some bytes more'), image.subarray(1_000_100)];
    const chunks = cut(cdc64k, [Buffer.concat(shifted)]);
    const news = chunks.filter((chunk) => !known.has(digestHex(chunk)));
    expect(news.length).toBeLessThanOrEqual(3);
    expect(chunks.length).toBeGreaterThan(40);
  });

  test('has a mean near 72 KiB on noise', () => {
    const chunks = cut(cdc64k, [createSeededRandom(8).bytes(16 * KiB * KiB)]);
    const mean = (16 * KiB * KiB) / chunks.length;
    expect(mean).toBeGreaterThan(68 * KiB);
    expect(mean).toBeLessThan(78 * KiB);
  });

  test('never ends a chunk because of a run of zeros', () => {
    let hash = 0;
    for (let length = 1; length <= 64; length += 1) {
      hash = ((hash << 1) + (GEAR[0] ?? 0)) | 0;
      expect(hash & LATE_MASK).not.toBe(0);
      expect(hash & EARLY_MASK).not.toBe(0);
    }
    // After 32 zeros the hash stays what it is.
    expect(hash).toBe(-(GEAR[0] ?? 0) | 0);
    const zeros = new Uint8Array(1_000_000);
    const expected = [262144, 262144, 262144, 213568];
    expect(lengths(cut(cdc64k, [zeros]))).toEqual(expected);
    expect(lengths(cut(cdc64k, portions(zeros, [50_000])))).toEqual(expected);
  });

  test('has a gear of 256 different words', () => {
    expect(new Set(GEAR).size).toBe(256);
  });
});
