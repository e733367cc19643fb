import { expect, test } from 'vitest';
import { headline } from '../../src/report/headline.ts';
import { plausibleRecord } from '../support/plausible-record.ts';
import { REPORT_SHAPES } from '../support/report-shapes.ts';
import type { StormRecord } from '../../src/storm-record.ts';

function shape(name: string): StormRecord {
  const record = REPORT_SHAPES[name];
  if (record === undefined) throw new TypeError(`There is no shape called ${name}.`);
  return record;
}

function allOf(record: StormRecord): string {
  const { first, further } = headline(record);
  return [first, ...further.map(({ text }) => text)].join('\n');
}

test('the headline says who won, how far from T*, and by what factor', () => {
  expect(headline(shape('six')).first).toBe(
    'quarry finished all 40 unshelves in 15.2 s, 1.13 × the bound T* of 13.4 s: 2.09 times as fast as libtorrent and 37.9 times as fast as shared-file.',
  );
});

test('egress is compared with whoever took most from the origin', () => {
  expect(allOf(shape('six'))).toContain(
    'quarry took 32.1 MiB from the origin, 1.00 × what had to leave it; 39.8 × less than direct.',
  );
});

test('whoever delivered wrong bytes or did not finish cannot win, and is named', () => {
  const { first, further } = headline(shape('failing'));
  expect(first).toMatch(/^quarry finished/);
  expect(first).not.toMatch(/shared-file|libtorrent|direct|aria2/);
  const alarms = further.filter(({ isAlarm }) => isAlarm).map(({ text }) => text);
  expect(alarms[0]).toBe('Wrong bytes: shared-file 65,536.');
  expect(alarms[1]).toMatch(/^Not all finished: direct 0 of 8, aria2 \d of 8, libtorrent \d of 8\.$/);
});

test('a machine with too little left idle is named with its figure', () => {
  expect(allOf(shape('six'))).toContain('The machine was the limit for libtorrent (9.4 % idle).');
});

test('where unshelves start one after the other the headline compares how long they took', () => {
  expect(allOf(shape('morning'))).toMatch(
    /99 % of quarry’s unshelves took at most 10\.3 s; with direct 380 s, 37\.0 times as long\./,
  );
  expect(allOf(shape('six'))).not.toContain('99 %');
});

test('the simulator’s word stands beside what was measured', () => {
  expect(allOf(shape('six'))).toContain('The simulator says 14.6 s for quarry: −3.5 % against what was measured.');
});

test('one who ran alone is compared with nobody', () => {
  expect(headline(shape('alone')).first).toBe(
    'quarry finished all 8 unshelves in 15.2 s, 1.13 × the bound T* of 13.4 s.',
  );
});

test('another than Quarry can win', () => {
  expect(headline(plausibleRecord({ hosts: 8, contestants: ['direct', 'aria2'] })).first).toMatch(/^aria2 finished/);
});

test('where nobody finished, or nobody ran, that is what it says', () => {
  expect(headline(shape('nothing')).first).toMatch(/^Nobody brought every unshelf/);
  expect(allOf(shape('nothing'))).not.toContain('Wrong bytes');
  expect(headline(shape('nobody')).first).toMatch(/^No contestant ran/);
});
