// What `quarry scan` says of a storm, held against the bound of the scenarios, which is worked out from every chunk of every host.
import { boundOf } from '@quarry/scenario';
import type { Storm, StormRun } from '@quarry/scenario';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { estimateStorm } from '../packages/daemon/src/scan/storm-estimate.ts';

const CHUNK_BYTES = 65_536;

/** A base that all images have, and what each has of its own, in chunks. */
interface Family {
  readonly baseChunks: number;
  readonly ownChunks: number;
  readonly images: number;
}

/** Every image goes to one host, by turns; all at once. */
function stormOf({ baseChunks, ownChunks, images }: Family, hosts: number, link: number, origin: number): Storm {
  const run = (pack: number, chunkCount: number): StormRun[] =>
    chunkCount > 0 ? [{ pack, firstChunk: 0, chunkCount }] : [];
  return {
    name: 'scan',
    about: '',
    seed: 1,
    hosts: Array.from({ length: hosts }, (_, i) => ({
      name: `host-${i}`,
      zone: 0,
      upBytesPerSecond: link,
      downBytesPerSecond: link,
      diskWriteBytesPerSecond: Infinity,
    })),
    zones: [{ name: 'zone', upBytesPerSecond: Infinity, downBytesPerSecond: Infinity }],
    origin: {
      bytesPerSecond: origin,
      seeders: 1,
      isReadable: true,
      readDelayMs: 0,
      budgetBytesPerSecond: Infinity,
      budgetReads: Infinity,
    },
    control: { hopMs: 0, verifyMs: 0, jitterMs: 0, gossipLoss: 0 },
    packs: [
      { chunks: Math.max(1, baseChunks) },
      ...Array.from({ length: images }, () => ({ chunks: Math.max(1, ownChunks) })),
    ],
    images: Array.from({ length: images }, (_, i) => ({
      name: `vm-${i}`,
      runs: [...run(0, baseChunks), ...run(1 + i, ownChunks)],
    })),
    unshelves: Array.from({ length: images }, (_, i) => ({ host: i % hosts, image: i, atMs: 0 })),
    shelves: [],
    holdings: [],
    faults: [],
    limitMs: 1e9,
  };
}

const families = fc.record({
  baseChunks: fc.integer({ min: 1, max: 500 }),
  ownChunks: fc.integer({ min: 1, max: 500 }),
  images: fc.integer({ min: 2, max: 12 }),
});

test('the bound of a scan is that of the scenarios, cold and with the base cached', () => {
  fc.assert(
    fc.property(
      families,
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      (family, most, link, origin) => {
        const { images } = family;
        const hosts = Math.min(most, images);
        const [linkBytesPerSecond, originBytesPerSecond] = [link * 1e6, origin * 1e6];
        const [base, own] = [family.baseChunks * CHUNK_BYTES, family.ownChunks * CHUNK_BYTES];
        const bytesByImages = new Map([
          [images, base],
          [1, own * images],
        ]);
        const sizes = Array.from({ length: images }, () => base + own);
        const estimate = estimateStorm(
          {
            spectrum: { images, allImages: images, bytesByImages, ownBytesError: 0 },
            fileBytes: sizes,
            chunkBytes: sizes,
          },
          { unshelves: images, hosts, linkBytesPerSecond, originBytesPerSecond },
        );
        const cold = boundOf(stormOf(family, hosts, linkBytesPerSecond, originBytesPerSecond));
        const warm = boundOf(stormOf({ ...family, baseChunks: 0 }, hosts, linkBytesPerSecond, originBytesPerSecond));
        expect(estimate.cold.storeBytes.most).toBeCloseTo(cold.uniqueBytes, 0);
        expect(estimate.cold.boundSeconds.most).toBeCloseTo(cold.boundMs / 1000, 6);
        expect(estimate.baseCached.storeBytes.most).toBeCloseTo(warm.uniqueBytes, 0);
        expect(estimate.baseCached.boundSeconds.most).toBeCloseTo(warm.boundMs / 1000, 6);
        expect(estimate.shelvedHere).toMatchObject({ storeBytes: { most: 0 }, boundSeconds: { most: 0 } });
        const today = Math.max(
          (images * (base + own)) / originBytesPerSecond,
          (Math.ceil(images / hosts) * (base + own)) / linkBytesPerSecond,
        );
        expect(estimate.today.boundSeconds.most).toBeCloseTo(today, 6);
      },
    ),
  );
});
