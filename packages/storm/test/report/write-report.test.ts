import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeReport } from '../../src/report/write-report.ts';
import { plausibleRecord } from '../support/plausible-record.ts';

const record = plausibleRecord({ hosts: 4, contestants: ['quarry', 'direct'] });

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'quarry-report-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

test('the page and a file for each chart stand in the directory, which is made', async ({ signal }) => {
  const directory = join(root, 'a', 'b');
  const paths = await writeReport(record, directory, { signal });
  const names = await readdir(directory);
  expect(names.toSorted()).toEqual([
    'completion.svg',
    'cpu-per-host.svg',
    'index.html',
    'machine-idle.svg',
    'memory-per-host.svg',
    'origin-egress.svg',
    'sources-quarry.svg',
  ]);
  expect(paths[0]).toBe(join(directory, 'index.html'));
  expect(paths.length).toBe(names.length);
});

test('the page refers to nothing outside of itself', async ({ signal }) => {
  const [path = ''] = await writeReport(record, root, { signal });
  const page = await readFile(path, 'utf8');
  expect(page).not.toMatch(/<(script|link|img|iframe|object|embed)\b/i);
  expect(page).not.toMatch(/\bhttps?:|@import|url\((?!#)/i);
});

test('a second report replaces the first', async ({ signal }) => {
  await writeReport(record, root, { signal });
  await writeReport({ ...record, scenario: 'another' }, root, { signal });
  expect(await readFile(join(root, 'index.html'), 'utf8')).toContain('<h1>Storm: another, 4 hosts</h1>');
});

test('where there can be no directory the error names it', async ({ signal }) => {
  const file = join(root, 'file');
  await writeFile(file, '');
  await expect(writeReport(record, join(file, 'report'), { signal })).rejects.toMatchObject({
    code: 'STORM_FILE',
    details: { directory: join(file, 'report') },
  });
});

test('whoever cancels gets the reason, and not a fault of the disk', async () => {
  const reason = new Error('enough');
  await expect(writeReport(record, root, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
