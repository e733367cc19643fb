// What an operator or a CI job relies on when calling `npm run bench`; the figures themselves are nobody's test.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkSame } from '../benchmarks/transfer/rounds.ts';

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
    expect(stdout).toMatch(/ingest [^]*--only [^]*rebuild /);
  });

  test.for([
    ['an unknown benchmark', ['nope'], 'There is no benchmark "nope". There are: '],
    ['no benchmark', [], 'Which benchmark? There are: '],
    ['an unknown option', ['ingest', '--fast'], "Unknown option '--fast'"],
    ['a size that is none', ['ingest', '--size', 'big'], '--size takes a size'],
    ['an unknown part', ['transfer', '--only', 'everything'], 'transfer has no part "everything". It has: random, '],
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
      const contents = ['random disk', 'zero heavy disk'];
      const only = contents.map((content) => content.replaceAll(' ', '-')).join();
      const { status, stdout, stderr, left } = run(name, '--size', '4MiB', '--only', only, '--json', json);
      expect(stderr).not.toContain('Error');
      expect(status).toBe(0);
      expect(stdout).toContain(`${name} random disk`);
      const report = JSON.parse(readFileSync(json, 'utf8')) as Figures;
      expect(jsonLine(stdout)).toEqual(report);
      checkForm(report, name);
      const names = contents.flatMap((content) => [content, `${content}, fsync`]);
      expect(Object.keys(report.ratios)).toEqual(names);
      expect(report.results.map((result) => result.name)).toEqual(
        names.flatMap((content) => [`${name} ${content}`, `cp ${content}`]),
      );
      expect(left).toEqual([]);
    },
  );

  test('moves an image from one node to another beside whatever else is installed, and compares it with the original', {
    timeout: 120_000,
  }, () => {
    const { status, stdout, stderr, left } = run('transfer', '--size', '16MiB', '--only', 'random');
    expect(stderr).not.toContain('Error');
    expect(status).toBe(0);
    const report = jsonLine(stdout);
    checkForm(report, 'transfer');
    const rows = new Map(report.results.map((result) => [result.name, result]));
    for (const name of ['quarry', 'quarry, and rebuilt', 'quarry, fsync']) {
      expect(rows.get(name)).toMatchObject({
        senderCpuSecondsPerGb: expect.any(Number),
        senderPeakRssMiB: expect.any(Number),
      });
    }
    const others = ['curl from nginx', 'aria2, one seed to one leech', 'libtorrent, one seed to one leech'];
    const absent = report.notRun.map(({ name }) => name);
    for (const other of others) expect([...rows.keys(), ...absent]).toContain(other);
    for (const { why } of report.notRun) expect(why).toContain('install');
    expect(left).toEqual([]);
  });

  test.for([
    ['has another byte', 'abd', 'differ'],
    ['ends early', 'ab', 'EOF'],
  ] as const)('notices an image that %s', async ([, received, says]) => {
    const paths = [join(directory, 'sent'), join(directory, 'received')] as const;
    writeFileSync(paths[0], 'abc');
    writeFileSync(paths[1], received);
    await expect(checkSame(...paths, new AbortController().signal)).rejects.toThrow(says);
  });

  test.for(['hash', 'inventory', 'store'])('measures %s', { timeout: 120_000 }, (name) => {
    const { status, stdout, stderr, left } = run(name, '--size', '4MiB');
    expect(stderr).not.toContain('Error');
    expect(status).toBe(0);
    checkForm(jsonLine(stdout), name);
    expect(left).toEqual([]);
  });

  test('leaves neither processes nor files behind when it is stopped', { timeout: 120_000 }, async () => {
    const work = mkdtempSync(join(directory, 'stopped-'));
    const args = ['transfer', '--size', '16MiB', '--only', 'random', '--dir', work];
    const child = spawn(process.execPath, ['--conditions=source', main, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(child, 'exit');
    let said = '';
    for await (const part of child.stderr) {
      said += String(part);
      if (said.includes('took')) break;
    }
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(readdirSync(work)).toEqual([]);
    if (process.platform === 'linux') expect(commandLines().filter((line) => line.includes(work))).toEqual([]);
  });
});

interface Figures {
  readonly results: readonly Record<string, unknown>[];
  readonly ratios: Readonly<Record<string, number>>;
  readonly notRun: readonly { readonly name: string; readonly why: string }[];
}

/** One run, in a directory of its own; `left`: what lies there afterwards. */
function run(name: string, ...args: string[]): ReturnType<typeof bench> & { readonly left: readonly string[] } {
  const work = mkdtempSync(join(directory, 'work-'));
  const ran = bench(name, '--runs', '1', '--dir', work, ...args);
  return { ...ran, left: readdirSync(work) };
}

function jsonLine(stdout: string): Figures {
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '') as Figures;
}

function checkForm(report: Figures, name: string): void {
  expect(report).toMatchObject({ bench: name, runs: 1, node: process.version, commit: expect.any(String) });
  expect(report.results.length).toBeGreaterThan(0);
  expect(new Set(report.results.map((result) => result['name'])).size).toBe(report.results.length);
  for (const { name: row, ...figures } of report.results) {
    expect(row).toEqual(expect.any(String));
    expect(figures['mbPerSecond'] ?? figures['perSecond'] ?? figures['seconds']).toBeGreaterThan(0);
    if (figures['mbPerSecond'] !== undefined) expect(figures['receiverCpuSecondsPerGb']).toBeGreaterThanOrEqual(0);
  }
  for (const value of Object.values(report.ratios)) expect(value).toBeGreaterThan(0);
  expect(report.notRun).toEqual(expect.any(Array));
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return []; // it has gone meanwhile
      }
    });
}
