import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { awaitedUnshelves } from '../../src/bound/awaited-unshelves.ts';
import { boundOf } from '../../src/index.ts';
import type { Storm } from '../../src/index.ts';
import { chunkBytes, host, imageOf, stormOf } from '../storms.ts';

const allAtOnce = (count: number, image = 0): Storm['unshelves'] =>
  Array.from({ length: count }, (_, i) => ({ host: i, image, atMs: 0 }));

describe('boundOf', () => {
  test('of one image is max(F/u_origin, F/d_node, N·F/(u_origin + Σ u_node))', () => {
    const rate = fc.integer({ min: 1, max: 1000 });
    const nodes = fc.array(fc.record({ up: rate, down: rate }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(nodes, rate, fc.integer({ min: 1, max: 4096 }), (links, originRate, chunks) => {
        const storm = stormOf({
          hosts: links.map(({ up, down }) => host(up, down)),
          packs: [{ chunks }],
          images: [imageOf([0, chunks])],
          unshelves: allAtOnce(links.length),
        });
        const origin = { ...storm.origin, bytesPerSecond: originRate * chunkBytes };
        const { boundMs, parts, uniqueBytes, neededBytes } = boundOf({ ...storm, origin });
        const uplinks = links.reduce((sum, { up }) => sum + up, originRate);
        const slowest = Math.min(...links.map(({ down }) => down));
        const expected = Math.max(chunks / originRate, chunks / slowest, (links.length * chunks) / uplinks) * 1000;
        expect(boundMs / expected).toBeCloseTo(1, 9);
        expect(parts.originMs / ((chunks / originRate) * 1000)).toBeCloseTo(1, 9);
        expect(uniqueBytes).toBe(chunks * chunkBytes);
        expect(neededBytes).toBe(chunks * chunkBytes * links.length);
      }),
    );
  });

  test('counts what images share once at the origin and once at each host', () => {
    const storm = stormOf({
      hosts: [host(20), host(20)],
      packs: [{ chunks: 100 }, { chunks: 10 }, { chunks: 30 }],
      images: [imageOf([0, 100], [1, 10]), imageOf([0, 100], [2, 30])],
      unshelves: [
        { host: 0, image: 0, atMs: 0 },
        { host: 1, image: 1, atMs: 0 },
        { host: 1, image: 0, atMs: 0 },
      ],
    });
    const { parts, uniqueBytes, neededBytes, boundMs } = boundOf(storm);
    expect(uniqueBytes).toBe(140 * chunkBytes);
    expect(neededBytes).toBe((110 + 140) * chunkBytes);
    expect(parts).toEqual({ originMs: 14_000, nodeMs: 7000, swarmMs: 5000, holderMs: 0, zoneMs: 0, arrivalMs: 0 });
    expect(boundMs).toBe(14_000);
  });

  test('takes the hottest holder: what others need and it alone has, each chunk once', () => {
    const held = (holder: number, pack: number): Storm['holdings'][number] => ({
      host: holder,
      run: { pack, firstChunk: 0, chunkCount: 40 },
    });
    const storm = stormOf({
      hosts: [host(10, 100), host(10, 100), host(10, 100)],
      packs: [{ chunks: 40 }, { chunks: 40 }, { chunks: 40 }],
      images: [imageOf([0, 40], [1, 40], [2, 40])],
      unshelves: allAtOnce(3),
      holdings: [held(0, 0), held(0, 1), held(1, 1), held(2, 2)],
    });
    expect(boundOf(storm).parts.holderMs).toBe(4000); // pack 0 from host 0, pack 2 from host 2; pack 1 has two holders
    expect(boundOf(storm).uniqueBytes).toBe(0);
    const faults: Storm['faults'] = [{ kind: 'stall', host: 0, atMs: 0, untilMs: 1 }];
    expect(boundOf({ ...storm, faults }).parts.holderMs).toBe(4000);
    const both: Storm['faults'] = [...faults, { kind: 'partition', hosts: [2], atMs: 0, untilMs: 1 }];
    expect(boundOf({ ...storm, faults: both }).parts.holderMs).toBe(0);
  });

  test('lets through a zone’s downlink once what nobody inside holds', () => {
    const zone = (down: number): Storm['zones'][number] => ({
      name: 'z',
      upBytesPerSecond: Infinity,
      downBytesPerSecond: down * chunkBytes,
    });
    const storm = stormOf({
      hosts: [host(100, 100, 0), host(100, 100, 0), host(100, 100, 1)],
      zones: [zone(2), zone(5)],
      packs: [{ chunks: 100 }],
      images: [imageOf([0, 100])],
      unshelves: allAtOnce(3),
      holdings: [{ host: 1, run: { pack: 0, firstChunk: 0, chunkCount: 90 } }],
    });
    expect(boundOf(storm).parts.zoneMs).toBe(20_000); // 10 chunks into zone 0 at 2, but 100 into zone 1 at 5
  });

  test('does not count what nobody has asked for yet', () => {
    const storm = stormOf({
      hosts: [host(10), host(10)],
      packs: [{ chunks: 100 }, { chunks: 10 }],
      images: [imageOf([0, 100]), imageOf([0, 100], [1, 10])],
      unshelves: [
        { host: 1, image: 1, atMs: 60_000 },
        { host: 0, image: 0, atMs: 0 },
      ],
    });
    const { parts, boundMs } = boundOf(storm);
    expect(parts).toMatchObject({ originMs: 61_000, nodeMs: 71_000, arrivalMs: 60_000 });
    expect(boundMs).toBe(71_000);
  });

  test('what a host shelves needs no origin from then on, and no bound counts on its coming later', () => {
    const storm = stormOf({
      hosts: [host(10), host(10)],
      packs: [{ chunks: 100 }],
      images: [imageOf([0, 100])],
      unshelves: [{ host: 1, image: 0, atMs: 5000 }],
    });
    const shelvedAt = (atMs: number): ReturnType<typeof boundOf> =>
      boundOf({ ...storm, shelves: [{ host: 0, image: 0, atMs }] });
    expect(shelvedAt(5000)).toMatchObject({ uniqueBytes: 0, parts: { originMs: 0 }, boundMs: 15_000 });
    expect(shelvedAt(5001)).toMatchObject({ uniqueBytes: 100 * chunkBytes, parts: { originMs: 0 }, boundMs: 15_000 });
  });

  test('waits neither for liars nor for those whose host dies meanwhile, whether it starts again or not', () => {
    const storm = stormOf({
      hosts: [host(10, 1), host(10, 2), host(10, 3), host(10, 4), host(10, 8)],
      packs: [{ chunks: 8 }],
      images: [imageOf([0, 8])],
      unshelves: [...allAtOnce(5), { host: 3, image: 0, atMs: 30 }],
      faults: [
        { kind: 'kill', host: 0, atMs: 10 },
        { kind: 'lie', host: 1, atMs: 50, lie: 'badChunks' },
        { kind: 'kill', host: 2, atMs: 10 },
        { kind: 'restart', host: 2, atMs: 20, tornChunks: 0 },
        { kind: 'kill', host: 3, atMs: 10 },
        { kind: 'restart', host: 3, atMs: 20, tornChunks: 0 },
      ],
    });
    expect(awaitedUnshelves(storm)).toEqual([false, false, false, false, true, true]);
    expect(boundOf(storm).parts.nodeMs).toBe(2030);
  });

  test('counts Glance’s link where no seeder is, up to the budget, and is Infinity where nobody has the bytes', () => {
    const storm = stormOf({
      hosts: [host(100)],
      packs: [{ chunks: 100 }],
      images: [imageOf([0, 100])],
      unshelves: allAtOnce(1),
    });
    const origin = { ...storm.origin, seeders: 0, isReadable: true };
    expect(boundOf({ ...storm, origin }).boundMs).toBe(10_000);
    expect(boundOf({ ...storm, origin: { ...origin, budgetBytesPerSecond: 5 * chunkBytes } }).boundMs).toBe(20_000);
    expect(boundOf({ ...storm, origin: { ...origin, isReadable: false } }).boundMs).toBe(Infinity);
    expect(boundOf({ ...storm, origin: { ...storm.origin, bytesPerSecond: Infinity } })).toMatchObject({
      boundMs: 1000,
      ownMs: [1000],
    });
  });
});
