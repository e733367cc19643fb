import { createHash } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type ContentKind, createImageContent } from '../../src/demo/image-content.ts';

const content = createImageContent(1);
const otherContent = createImageContent(2);

function cluster(kind: ContentKind, index: number, from = content): Buffer {
  const target = Buffer.alloc(65536);
  from.fill(target, kind, 1, index);
  return target;
}

describe('the content of demo images', () => {
  // zstd level 1 on 1 MiB pieces makes real Debian images 2.69 times smaller: these bytes have to be no easier and no harder.
  test.for([
    ['text', 3.5, 6],
    ['binary', 2.2, 3.4],
    ['packed', 0.99, 1.01],
  ] as const)('%s compresses between %d and %d times', ([kind, least, most]) => {
    const piece = Buffer.concat(Array.from({ length: 16 }, (_, i) => cluster(kind, i)));
    const params = { [constants.ZSTD_c_compressionLevel]: 1 };
    const ratio = piece.length / zstdCompressSync(piece, { params }).length;
    expect(ratio).toBeGreaterThan(least);
    expect(ratio).toBeLessThan(most);
  });

  test('each index, stream, kind and seed has its own bytes', () => {
    const kinds = ['text', 'binary', 'packed'] as const;
    const all = kinds.flatMap((kind) => [
      ...Array.from({ length: 50 }, (_, i) => cluster(kind, i)),
      ...Array.from({ length: 50 }, (_, i) => cluster(kind, i, otherContent)),
    ]);
    const other = Buffer.alloc(65536);
    content.fill(other, 'packed', 2, 0);
    expect(new Set([...all, other].map((bytes) => bytes.toString('latin1'))).size).toBe(301);
  });

  test('the first 4 KiB are never all zeros, so no cluster that a plan calls data is a hole', () => {
    for (const kind of ['text', 'binary', 'packed'] as const) {
      for (let i = 0; i < 200; i += 1)
        expect(
          cluster(kind, i)
            .subarray(0, 4096)
            .some((byte) => byte !== 0),
        ).toBe(true);
    }
  });

  test('a touch changes little, and each touch differently', () => {
    const before = cluster('binary', 0);
    const touched = Array.from({ length: 100 }, (_, number) => {
      const after = Buffer.from(before);
      content.touch(after, number + 1);
      return after;
    });
    expect(new Set([before, ...touched].map((bytes) => bytes.toString('latin1'))).size).toBe(101);
    for (const after of touched) {
      expect(after.filter((byte, i) => byte !== before[i]).length).toBeLessThanOrEqual(4 * 4096);
    }
  });

  // Images made elsewhere, or by an earlier version, must have the same digests. If this fails, what was measured on them no longer compares.
  test.for([
    ['text', 'aa65463322855d8e31ab40cd14e4a108'],
    ['binary', 'a4a459de69d1fa7379c17c7863fcdb8e'],
    ['packed', '52629f2979e76a2a066a6536c2ede6d6'],
  ] as const)('%s has had these bytes from the first version on', ([kind, digest]) => {
    expect(createHash('sha256').update(cluster(kind, 7)).digest('hex').slice(0, 32)).toBe(digest);
  });
});
