import { PURSE_BURST_BYTES } from '@quarry/swarm/scheduler';
import { describe, expect, test } from 'vitest';
import { createInvariants } from '../src/invariants.ts';
import type { InvariantReport, Invariants } from '../src/invariants.ts';
import { SLICE_BYTES } from '../src/world/paced-transfers.ts';
import { tinyStorm } from './support/tiny-storm.ts';

const origin = tinyStorm().origin;

function checked(storm = tinyStorm(), happen: (invariants: Invariants) => void = () => {}): InvariantReport {
  const invariants = createInvariants(storm);
  happen(invariants);
  const report = invariants.finish(storm.limitMs);
  expect(invariants.brokenCount).toBe(report.brokenCount);
  return report;
}

const allEnd = (invariants: Invariants): void => {
  for (const unshelve of [0, 1, 2]) invariants.ended(1000, unshelve);
};
const names = (report: InvariantReport): string[] => report.broken.map(({ name }) => name);

describe('invariants', () => {
  test('hold where everybody finishes and nothing went wrong', () => {
    expect(checked(tinyStorm(), allEnd)).toEqual({
      broken: [],
      brokenCount: 0,
      regives: {},
      badChunksAccepted: 0,
      expectedToFinish: 3,
    });
  });

  test('a chunk leaves the origin once, or for a reason', () => {
    const report = checked(tinyStorm(), (invariants) => {
      allEnd(invariants);
      invariants.originRead(1, 0, 0, 0b0011);
      invariants.originRead(2, 0, 0, 0b1100);
      invariants.originRead(3, 0, 0, 0b1111, () => 'holder lost');
      invariants.originRead(4, 0, 9, 0b0001);
      expect(invariants.brokenCount).toBe(0);
      invariants.originRead(5, 0, 9, 0b0011);
    });
    expect(report.regives).toEqual({ 'holder lost': 4, none: 1 });
    expect(report.broken).toEqual([
      {
        atMs: 5,
        name: 'readTwice',
        message: '1 chunks of pack 0 piece 9 left the origin again for no recorded reason',
      },
    ]);
  });

  test('the budget holds in every second, also between whole ones', () => {
    const storm = tinyStorm({ origin: { ...origin, budgetBytesPerSecond: 1000 } });
    const within = checked(storm, (invariants) => {
      allEnd(invariants);
      for (let second = 0; second < 5; second += 1) invariants.originBytes(second * 1000, second * 1000 + 1000, 1000);
    });
    expect(names(within)).toEqual([]);
    const beyond = checked(storm, (invariants) => {
      allEnd(invariants);
      invariants.originBytes(500, 1000, 700);
      invariants.originBytes(1000, 1400, 700);
    });
    expect(beyond.broken).toEqual([
      {
        atMs: 1400,
        name: 'budgetExceeded',
        message:
          '1.37 KiB left the origin in 1 s, where the budget is 1000 B and 0 B at most were saved up or on their way',
      },
    ]);
  });

  test('beyond the budget there may be what was saved up or on its way, and not a byte more', () => {
    const storm = tinyStorm({ origin: { ...origin, budgetBytesPerSecond: 1e6 } });
    // Two that have leases, three reads of a piece of four chunks, five slices that a seeder sends.
    const burst = 2 * PURSE_BURST_BYTES + 3 * 4 * 65_536 + 5 * SLICE_BYTES;
    const report = (bytes: number): InvariantReport =>
      checked(storm, (invariants) => {
        allEnd(invariants);
        invariants.leased(0, 0, 5e5, 2000);
        invariants.leased(0, 3, 5e5, 2000);
        for (const reads of [1, 3, 2]) invariants.originTakers({ reads });
        invariants.originTakers({ sends: 5 });
        invariants.originBytes(0, 1000, bytes);
      });
    expect(names(report(1e6 + burst))).toEqual([]);
    expect(names(report(1e6 + burst + 100))).toEqual(['budgetExceeded']);
  });

  test('what is saved up counts once, however long the time', () => {
    const storm = tinyStorm({ origin: { ...origin, budgetBytesPerSecond: 1e6 } });
    const report = checked(storm, (invariants) => {
      allEnd(invariants);
      invariants.originTakers({ reads: 4 });
      for (let second = 0; second < 10; second += 1) invariants.originBytes(second * 1000, second * 1000 + 1000, 1.5e6);
    });
    expect(report.broken).toMatchObject([{ name: 'budgetExceeded', message: expect.stringContaining('in 10 s') }]);
  });

  test('leases that are good at one time never add up to more than the budget', () => {
    const storm = tinyStorm({ origin: { ...origin, budgetBytesPerSecond: 1000 } });
    const report = checked(storm, (invariants) => {
      allEnd(invariants);
      invariants.leased(0, 0, 600, 2000);
      invariants.leased(10, 1, 400, 2010);
      invariants.leased(20, 0, 500, 2020); // replaces the first
      invariants.leased(30, 2, 100, 2030);
      invariants.leased(2015, 3, 400, 4000); // the second has run out
      expect(invariants.brokenCount).toBe(0);
      invariants.leased(2016, 1, 100, 4000);
    });
    expect(report.broken).toMatchObject([
      { atMs: 2016, name: 'budgetExceeded', message: expect.stringContaining('all together may take') },
    ]);
  });

  test('no more reads at once than the budget allows', () => {
    const report = checked(tinyStorm({ origin: { ...origin, budgetReads: 2 } }), (invariants) => {
      allEnd(invariants);
      invariants.readsNow(1, 2);
      invariants.readsNow(2, 3);
    });
    expect(report.broken).toMatchObject([{ atMs: 2, name: 'tooManyReads' }]);
  });

  test('a bad chunk is never accepted, and a flood of them stays readable', () => {
    const report = checked(tinyStorm(), (invariants) => {
      allEnd(invariants);
      invariants.chunkAccepted(1, 0, 0, 3, true);
      for (let i = 0; i < 100; i += 1) invariants.chunkAccepted(2, 1, 0, 7, false);
    });
    expect(report.badChunksAccepted).toBe(100);
    expect(report.brokenCount).toBe(100);
    expect(report.broken).toHaveLength(21);
    expect(report.broken[0]?.message).toBe('b accepted a bad chunk: pack 0 chunk 7');
    expect(report.broken.at(-1)?.message).toBe('80 more like this');
  });

  test('whoever can finish does, and does not fail', () => {
    const report = checked(tinyStorm(), (invariants) => {
      invariants.ended(10, 0);
      invariants.ended(20, 1, 'nobody has pack 0');
    });
    expect(names(report)).toEqual(['failed', 'unfinished']);
    expect(report.broken[0]?.message).toContain('vm at b, begun at 0.000 s, could have finished but failed: nobody');
  });

  test('who cannot finish has to fail rather than wait for ever', () => {
    const storm = tinyStorm({ origin: { ...origin, seeders: 0 } });
    expect(names(checked(storm))).toEqual(['hung', 'hung', 'hung']);
    const report = checked(storm, (invariants) => {
      for (const unshelve of [0, 1, 2]) invariants.ended(60_000, unshelve, 'no source');
    });
    expect(report).toMatchObject({ brokenCount: 0, expectedToFinish: 0 });
  });

  test('nothing is asked of who died; what it had finished before still counts', () => {
    const storm = tinyStorm({ faults: [{ kind: 'kill', host: 0, atMs: 500 }] });
    const report = checked(storm, (invariants) => {
      invariants.ended(900, 1);
      invariants.ended(900, 2);
    });
    expect(report).toMatchObject({ brokenCount: 0, expectedToFinish: 2 });
    expect(checked(storm, allEnd).expectedToFinish).toBe(3);
  });
});
