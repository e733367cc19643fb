// What an operator or a CI job relies on when calling `npm run bench`; the figures themselves are nobody's test.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const main = resolve(import.meta.dirname, '..', 'benchmarks', 'main.ts');
let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'quarry-bench-test-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function bench(...args: string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  return spawnSync(process.execPath, ['--conditions=source', main, ...args], { encoding: 'utf8' });
}

describe('npm run bench', () => {
  test('explains itself', () => {
    const { status, stdout } = bench('--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/ingest .*\n.*rebuild /);
  });

  test.for([
    ['an unknown benchmark', ['nope'], 'There is no benchmark "nope". There are: '],
    ['no benchmark', [], 'Which benchmark? There are: '],
    ['an unknown option', ['ingest', '--fast'], "Unknown option '--fast'"],
    ['a size that is none', ['ingest', '--size', 'big'], '--size takes a size'],
    ['no runs', ['ingest', '--runs', '0'], '--runs takes a whole number from 1'],
  ] as const)('refuses %s', ([, args, message]) => {
    const { status, stdout, stderr } = bench(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toContain('Usage: npm run bench');
  });

  test.for(['ingest', 'rebuild'])(
    'measures %s against cp, writes the figures and leaves nothing behind',
    { timeout: 120_000 },
    (name) => {
      const json = join(directory, `${name}.json`);
      const work = mkdtempSync(join(directory, 'work-'));
      const { status, stdout, stderr } = bench(name, '--size', '4MiB', '--runs', '1', '--dir', work, '--json', json);
      expect(stderr).not.toContain('Error');
      expect(status).toBe(0);
      expect(stdout).toContain(`${name} random disk`);
      const report = JSON.parse(readFileSync(json, 'utf8'));
      expect(report).toMatchObject({ bench: name, runs: 1, node: process.version, commit: expect.any(String) });
      const names = ['random disk', 'random bytes', 'sparse disk'].flatMap((content) => [content, `${content}, fsync`]);
      expect(Object.keys(report.ratios)).toEqual(names);
      expect(report.results.map((result: { name: string }) => result.name)).toEqual(
        names.flatMap((content) => [`${name} ${content}`, `cp ${content}`]),
      );
      for (const { mbPerSecond, cpuSecondsPerGb } of report.results) {
        expect(mbPerSecond).toBeGreaterThan(0);
        expect(cpuSecondsPerGb).toBeGreaterThanOrEqual(0);
      }
      expect(readdirSync(work)).toEqual([]);
    },
  );
});
