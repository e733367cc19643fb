import { expect, test } from 'vitest';
import { contestantTable } from '../../src/report/tables/contestant-table.ts';
import { plausibleRecord } from '../support/plausible-record.ts';

const record = plausibleRecord({
  hosts: 8,
  contestants: ['quarry', 'aria2', 'direct'],
  notRun: ['libtorrent'],
  finishing: { direct: 0 },
  wrongBytes: { aria2: 3 },
});

/** Cells of a contestant's row, without tags. */
function rowOf(name: string, of: typeof record = record): readonly string[] {
  const rows = contestantTable(of).markup.split('<tr');
  const row = rows.find((each) => each.includes(`<th scope="row">${name}</th>`)) ?? '';
  return [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell = '']) => cell.replace(/<[^>]*>/g, ''));
}

test('who delivered nothing has no times and no cost, rather than the best', () => {
  expect(rowOf('direct').slice(0, 7)).toEqual(['0 / 8 !', '0', '–', '–', '–', '–', '–']);
});

test('wrong bytes are marked, and who delivered them gets no star', () => {
  expect(rowOf('aria2')[1]).toBe('3 !');
  expect(rowOf('aria2').join(' ')).not.toContain('★');
});

test('the best of several has a star, which nobody has alone', () => {
  const clean = plausibleRecord({ hosts: 8, contestants: ['quarry', 'aria2'] });
  expect(rowOf('quarry', clean)[2]).toBe('★ 15.2');
  expect(rowOf('aria2', clean)[2]).toBe('34.5');
  expect(rowOf('quarry')[2]).toBe('15.2');
});

test('who was not run is listed with the reason', () => {
  expect(rowOf('libtorrent')).toEqual(['not run: libtorrent is not installed: run benchmarks/install-peers.sh']);
});

test('the simulator’s figures carry their distance from what was measured', () => {
  expect(rowOf('simulator’s quarry')[2]).toBe('14.6 −3.5 %');
});

test('who has no process that stays on a host has no memory, rather than the least', () => {
  const both = plausibleRecord({ hosts: 8, contestants: ['quarry', 'direct'] });
  const contestants = both.contestants.map((each) =>
    each.name === 'direct' ? { ...each, meanPssMiB: 0, peakRssMiB: 0 } : each,
  );
  expect(rowOf('direct', { ...both, contestants }).slice(11, 13)).toEqual(['–', '–']);
  expect(rowOf('quarry', { ...both, contestants })[12]).toMatch(/^★ \d/);
});
