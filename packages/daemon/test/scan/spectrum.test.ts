import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectedLargest, standardError, uniqueBytesOf } from '../../src/scan/spectrum.ts';
import type { Spectrum } from '../../src/scan/spectrum.ts';

/** Images as sets of chunks, all of which have their number as length. */
const stores = fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 8 }), {
  minLength: 1,
  maxLength: 7,
});

function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) => subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]));
}

function unionBytes(images: readonly (readonly number[])[]): number {
  return [...new Set(images.flat())].reduce((sum, bytes) => sum + bytes, 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function spectrumOf(images: readonly (readonly number[])[], allImages = images.length): Spectrum {
  const bytesByImages = new Map<number, number>();
  for (const chunk of new Set(images.flat())) {
    const holders = images.filter((image) => image.includes(chunk)).length;
    bytesByImages.set(holders, (bytesByImages.get(holders) ?? 0) + chunk);
  }
  return { images: images.length, allImages, bytesByImages, ownBytesError: 0 };
}

describe('what images have between them', () => {
  test('is for any number of those that were read the mean over every choice of so many', () => {
    fc.assert(
      fc.property(stores, fc.nat(), (images, pick) => {
        const count = pick % (images.length + 1);
        const { least, most } = uniqueBytesOf(spectrumOf(images), count);
        const truth = mean(subsets(images, count).map(unionBytes));
        expect(least).toBeCloseTo(truth, 6);
        expect(most).toBe(least);
      }),
    );
  });

  test('is for more than were read between the bounds, over every sample that could have been read', () => {
    fc.assert(
      fc.property(stores, fc.nat(), fc.nat(), (images, n, k) => {
        const read = 1 + (n % images.length);
        const count = 1 + (k % images.length);
        const samples = subsets(images, read).map((some) => uniqueBytesOf(spectrumOf(some, images.length), count));
        const truth = mean(subsets(images, count).map(unionBytes));
        expect(mean(samples.map(({ least }) => least))).toBeLessThanOrEqual(truth + 1e-6);
        expect(mean(samples.map(({ most }) => most))).toBeGreaterThanOrEqual(truth - 1e-6);
      }),
    );
  });

  test('never passes what all of them have, however many are asked for', () => {
    const images = [[1, 2], [2, 3], [3]];
    expect(uniqueBytesOf(spectrumOf(images), 1000)).toEqual({ least: 6, most: 6 });
  });

  test('without what several have is what each has of its own', () => {
    const images = [
      [1, 2],
      [2, 3],
      [3, 7],
    ];
    expect(uniqueBytesOf(spectrumOf(images), 3, { maxImages: 1 }).most).toBe(8);
  });
});

test('the largest of some is the mean over every choice of so many', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100), { minLength: 1, maxLength: 7 }), fc.nat(), (values, pick) => {
      const count = 1 + (pick % values.length);
      const truth = mean(subsets(values, count).map((some) => Math.max(...some)));
      expect(expectedLargest(values, count)).toBeCloseTo(truth, 6);
    }),
  );
});

test('the standard error squared is, over every sample, the variance of the sample’s mean', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100), { minLength: 3, maxLength: 7 }), fc.nat(), (values, pick) => {
      const size = 2 + (pick % (values.length - 1));
      const samples = subsets(values, size);
      const truth = mean(samples.map((some) => (mean(some) - mean(values)) ** 2));
      expect(mean(samples.map((some) => standardError(some, values.length) ** 2))).toBeCloseTo(truth, 6);
    }),
  );
});
