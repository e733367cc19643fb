import { expect, test } from 'vitest';
import { boundOf } from '../../src/index.ts';
import type { Storm } from '../../src/index.ts';
import { host, imageOf, stormOf } from '../storms.ts';

const packs: Storm['packs'] = [{ chunks: 100 }, { chunks: 100 }, { chunks: 50 }];
const images: Storm['images'] = [imageOf([0, 100]), imageOf([1, 100]), imageOf([0, 100], [2, 50])];

function ownMs(
  parts: Partial<Storm>,
  ...unshelves: readonly (readonly [host: number, image: number, atMs: number])[]
): readonly number[] {
  const hosts = [host(10), host(10), host(10)];
  const asked = unshelves.map(([at, image, atMs]) => ({ host: at, image, atMs }));
  return boundOf(stormOf({ hosts, packs, images, unshelves: asked, ...parts })).ownMs;
}
const fastOrigin: Partial<Storm> = { origin: { ...stormOf({}).origin, bytesPerSecond: Infinity } };

test('alone, an unshelve takes what it misses through the slower of downlink and origin', () => {
  expect(ownMs({}, [0, 0, 500])).toEqual([10_000]);
  expect(ownMs({ hosts: [host(10, 5)] }, [0, 0, 500])).toEqual([20_000]);
  const holdings: Storm['holdings'] = [{ host: 0, run: { pack: 0, firstChunk: 0, chunkCount: 60 } }];
  expect(ownMs({ holdings }, [0, 0, 500])).toEqual([4000]);
});

test('two on one host share its downlink while both are under way', () => {
  // 5 s alone, then half and half: 0 has 50 of 100 left and ends 10 s later; 1 has then 50 left of its 100.
  expect(ownMs(fastOrigin, [0, 0, 0], [0, 1, 5000])).toEqual([15_000, 15_000]);
});

test('what two on one host share goes over its downlink once, and the second waits for it', () => {
  expect(ownMs(fastOrigin, [0, 0, 0], [0, 0, 5000])).toEqual([10_000, 5000]);
  expect(ownMs(fastOrigin, [0, 0, 0], [0, 0, 20_000])).toEqual([10_000, 0]);
  // Pack 2 is the second one's alone: from 0 s on half and half, done at 10 s; then the first has all until 15 s, and the second misses that too.
  expect(ownMs(fastOrigin, [0, 0, 0], [0, 2, 0])).toEqual([15_000, 15_000]);
});

test('what nobody held goes over the origin’s link first come, first served, and once', () => {
  expect(ownMs({}, [0, 0, 0], [1, 1, 1000])).toEqual([10_000, 19_000]);
  expect(ownMs({ hosts: [host(10), host(10, 100)] }, [0, 0, 0], [1, 0, 9000])).toEqual([10_000, 1000]);
  expect(ownMs({}, [0, 0, 0], [1, 1, 0])).toEqual([20_000, 20_000]);
});

test('what a peer held does not wait for the origin', () => {
  const holdings: Storm['holdings'] = [{ host: 2, run: { pack: 1, firstChunk: 0, chunkCount: 100 } }];
  expect(ownMs({ holdings }, [0, 0, 0], [1, 1, 1000])).toEqual([10_000, 10_000]);
  expect(ownMs({ shelves: [{ host: 2, image: 1, atMs: 900 }] }, [0, 0, 0], [1, 1, 1000])).toEqual([10_000, 10_000]);
});

test('a host that is dead when an unshelve comes asks for nothing', () => {
  const faults: Storm['faults'] = [{ kind: 'kill', host: 0, atMs: 500 }];
  expect(ownMs({ faults }, [0, 0, 1000], [1, 1, 1000])).toEqual([0, 10_000]);
});
