import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boundOf } from '../../src/index.ts';
import type { Storm } from '../../src/index.ts';
import { chunkBytes, host, stormOf } from '../storms.ts';
import { greedyMakespanMs } from './greedy-makespan.ts';

const small = (least: number, most: number): fc.Arbitrary<number> => fc.integer({ min: least, max: most });
const run = fc
  .record({ pack: small(0, 2), firstChunk: small(0, 5), chunkCount: small(1, 6) })
  .map((drawn) => ({ ...drawn, chunkCount: Math.min(drawn.chunkCount, 8 - drawn.firstChunk) }));

const tinyStorm: fc.Arbitrary<Storm> = fc
  .record({
    hosts: fc.array(fc.tuple(small(1, 4), small(1, 4), small(0, 1)), { minLength: 1, maxLength: 4 }),
    zones: fc.tuple(small(1, 6), small(1, 6)),
    originRate: small(1, 4),
    images: fc.array(fc.array(run, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
    unshelves: fc.array(fc.tuple(small(0, 3), small(0, 2), small(0, 6)), { minLength: 1, maxLength: 6 }),
    holdings: fc.array(fc.tuple(small(0, 3), run), { maxLength: 4 }),
  })
  .map(({ hosts, zones, originRate, images, unshelves, holdings }) => {
    const base = stormOf({});
    return stormOf({
      hosts: hosts.map(([up, down, zone]) => host(up, down, zone)),
      zones: zones.map((rate) => ({
        name: 'z',
        upBytesPerSecond: Infinity,
        downBytesPerSecond: rate * chunkBytes,
      })),
      origin: { ...base.origin, bytesPerSecond: originRate * chunkBytes },
      packs: [{ chunks: 8 }, { chunks: 8 }, { chunks: 8 }],
      images: images.map((runs) => ({ name: 'image', runs })),
      unshelves: unshelves.map(([at, image, second]) => ({
        host: at % hosts.length,
        image: image % images.length,
        atMs: second * 1000,
      })),
      holdings: holdings.map(([at, held]) => ({ host: at % hosts.length, run: held })),
    });
  });

test('no schedule that keeps to the links ends before any part of the bound', () => {
  fc.assert(
    fc.property(tinyStorm, fc.nat(), (storm, seed) => {
      const makespanMs = greedyMakespanMs(storm, createSeededRandom(seed));
      for (const [part, ms] of Object.entries(boundOf(storm).parts)) {
        expect(ms, part).toBeLessThanOrEqual(makespanMs + 1e-6);
      }
    }),
    { numRuns: 300 },
  );
});

test('an unshelve’s own bound never ends after what all on its host and at the origin take together', () => {
  fc.assert(
    fc.property(tinyStorm, (storm) => {
      const { parts, ownMs } = boundOf(storm);
      for (const [i, { atMs }] of storm.unshelves.entries()) {
        expect(ownMs[i]).toBeGreaterThanOrEqual(0);
        expect(atMs + (ownMs[i] ?? 0)).toBeLessThanOrEqual(Math.max(parts.originMs, parts.nodeMs, atMs) + 1e-6);
      }
    }),
    { numRuns: 300 },
  );
});
