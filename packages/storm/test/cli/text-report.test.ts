import { expect, test } from 'vitest';
import { textReport } from '../../src/cli/text-report.ts';
import { summaryOf } from '../../src/run/summary.ts';
import { madeContestant, madeRecord } from '../support/made-record.ts';

test('the table has a line for each that ran, the simulator’s above them, and says who did not run and why', () => {
  const text = textReport(
    madeRecord(
      [
        madeContestant(),
        madeContestant({ name: 'direct', makespanSeconds: 281, ratio: 20.9 }),
        madeContestant({ name: 'aria2', ran: false, whyNot: 'aria2c is not installed' }),
      ],
      { simulated: { makespanSeconds: 14.2, p50Seconds: 14, p99Seconds: 14.2, originBytes: 33_554_432 } },
    ),
  );
  const lines = text.split('\n');
  expect(lines.findIndex((line) => line.startsWith('(simulated)'))).toBeLessThan(
    lines.findIndex((line) => line.startsWith('quarry')),
  );
  expect(lines.find((line) => line.startsWith('quarry'))).toMatch(/ 15\.20 s +1\.13 +14\.90 s .* 1\.01 +0 /);
  expect(lines.find((line) => line.startsWith('direct'))).toContain(' 281 s ');
  expect(text).toContain('aria2 did not run: aria2c is not installed');
  expect(text).not.toContain('the machine was the limit');
});

test('says where the machine was the limit, and what failed that had to finish', () => {
  const failed = { host: 1, image: 0, atSeconds: 0, failure: 'curl ended with 18', isExpected: true };
  const text = textReport(madeRecord([madeContestant({ cpuIdlePercent: 9, finished: 1, unshelves: [failed] })]));
  expect(text).toContain('quarry: the machine was the limit (9 % of its CPU idle)');
  expect(text).toContain('1 of 2');
  expect(text).toContain('1 unshelves failed that had to finish; the first, on host 1: curl ended with 18');
});

test('the summary has every promised figure of each contestant, and no curves', () => {
  const summary = summaryOf(madeRecord([madeContestant()]));
  expect(Object.keys(summary).slice(0, 1)).toEqual(['scenario']);
  expect(Object.keys(summary.contestants[0] ?? {})).toEqual([
    'name',
    'ran',
    'finished',
    'expectedToFinish',
    'makespanSeconds',
    'ratio',
    'p50Seconds',
    'p95Seconds',
    'p99Seconds',
    'originBytes',
    'uniqueBytes',
    'originAmplification',
    'wrongBytes',
    'cpuSecondsPerGb',
    'peakRssMiB',
    'meanPssMiB',
    'cpuIdlePercent',
  ]);
});
