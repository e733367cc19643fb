import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunksPerPieceFor } from '@quarry/content';
import type { Storm, StormRun } from '@quarry/scenario';
import { randomStorm } from '../../src/chaos/random-storm.ts';
import { expectedToFinish } from '../../src/expected-to-finish.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const many = Array.from({ length: 500 }, (_, seed) => randomStorm(seed));

function piecesOf(storm: Storm, runs: readonly StormRun[]): number {
  return runs.reduce(
    (sum, run) => sum + Math.ceil(run.chunkCount / chunksPerPieceFor(storm.packs[run.pack]?.chunks ?? 0)),
    0,
  );
}

describe('a random storm', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(randomStorm(7)).toEqual(randomStorm(7));
    expect(new Set(many.map((storm) => JSON.stringify({ ...storm, name: '', seed: 0 }))).size).toBe(many.length);
  });

  test('names only what it has, in numbers that make sense', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const storm = randomStorm(seed);
        const { hosts, zones, packs, images, origin } = storm;
        const isHost = (host: number): boolean => hosts[host] !== undefined;
        const isRun = ({ pack, firstChunk, chunkCount }: StormRun): boolean =>
          firstChunk >= 0 && chunkCount >= 1 && firstChunk + chunkCount <= (packs[pack]?.chunks ?? 0);
        const rates = hosts.flatMap((host) => [
          host.upBytesPerSecond,
          host.downBytesPerSecond,
          host.diskWriteBytesPerSecond,
        ]);
        expect(hosts.length >= 4 && hosts.length <= 14).toBe(true);
        expect(hosts.every((host) => zones[host.zone] !== undefined)).toBe(true);
        expect(
          [...rates, origin.bytesPerSecond, origin.budgetBytesPerSecond, origin.budgetReads].every((rate) => rate > 0),
        ).toBe(true);
        expect(images.every((image) => image.runs.length > 0 && image.runs.every(isRun))).toBe(true);
        expect(storm.holdings.every((holding) => isHost(holding.host) && isRun(holding.run))).toBe(true);
        for (const { host, image, atMs } of [...storm.unshelves, ...storm.shelves]) {
          expect(isHost(host) && images[image] !== undefined && atMs >= 0 && atMs < storm.limitMs).toBe(true);
        }
        for (const fault of storm.faults) {
          expect(fault.atMs >= 0 && fault.atMs < storm.limitMs).toBe(true);
          if ('host' in fault) expect(isHost(fault.host)).toBe(true);
          if ('untilMs' in fault) expect(fault.untilMs).toBeGreaterThan(fault.atMs);
          if ('factor' in fault) expect(fault.factor > 0 && fault.factor < 1).toBe(true);
        }
        expect(storm.faults.map(({ atMs }) => atMs)).toEqual(
          storm.faults.map(({ atMs }) => atMs).toSorted((a, b) => a - b),
        );
        for (const list of [storm.unshelves, storm.shelves])
          expect(list.map(({ atMs }) => atMs)).toEqual(list.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  test('is small, and restarts nobody who is alive', () => {
    for (const storm of many) {
      for (const image of storm.images) expect(piecesOf(storm, image.runs)).toBeLessThanOrEqual(400);
      for (const restart of storm.faults.filter(({ kind }) => kind === 'restart')) {
        expect(
          storm.faults.some(
            (fault) =>
              fault.kind === 'kill' && 'host' in restart && fault.host === restart.host && fault.atMs < restart.atMs,
          ),
        ).toBe(true);
      }
    }
  });

  test('knows every fault, and leaves most unshelves able to finish', () => {
    const kinds = new Set(many.flatMap((storm) => storm.faults.map(({ kind }) => kind)));
    expect([...kinds].toSorted()).toEqual(
      ['kill', 'lie', 'originFails', 'partition', 'restart', 'seedersLeave', 'slowCpu', 'slowLink', 'stall'].toSorted(),
    );
    const all = many.reduce((sum, storm) => sum + storm.unshelves.length, 0);
    const expected = many.reduce((sum, storm) => sum + expectedToFinish(storm).size, 0);
    expect(expected / all).toBeGreaterThan(0.75);
    expect(many.filter((storm) => expectedToFinish(storm).size > 0).length / many.length).toBeGreaterThan(0.9);
    // and some that cannot, to show that these end as well
    expect(expected).toBeLessThan(all);
  });
});
