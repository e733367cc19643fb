import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import { scenarioNames } from '@quarry/scenario';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inThreadRunners } from '../../src/chaos/run-seed.ts';
import { exitCodes, Interrupted } from '../../src/cli/exit-codes.ts';
import { promisedFields } from '../../src/cli/json-report.ts';
import { simulateCli } from '../../src/cli/simulate-cli.ts';
import type { Simulate, SimulationResult } from '../../src/simulation.ts';
import { simulate } from '../../src/world/simulate.ts';

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function cli(words: readonly string[], run: Simulate = simulate, stop = new AbortController()): Promise<Said> {
  const said = { out: '', err: '' };
  const code = await simulateCli(words, {
    streams: { out: { write: (text) => (said.out += text) }, err: { write: (text) => (said.err += text) } },
    clock: systemClock,
    signal: stop.signal,
    simulate: run,
    chaosRunners: inThreadRunners(run),
    workers: 1,
    peakRssMiB: () => 100,
  });
  return { code, ...said };
}

/** The real thing, with a wrong result. */
function changing(change: (result: SimulationResult, seed: number) => SimulationResult): Simulate {
  return async (storm, options) => change(await simulate(storm, options), storm.seed);
}

const sound = changing((result) => ({ ...result, broken: [] }));
const breaking = changing((result) => ({
  ...result,
  report: { ...result.report, invariantsBroken: 1 },
  broken: [{ atMs: 1500, name: 'budgetExceeded', message: '2 MiB left the origin in one second' }],
}));

/** Which two die is the seed's to say. */
const someDie = `
about = "Some die."
hosts.count = 8
origin.isReadable = true
[[images]]
name = "image"
size = "64 pieces"
[[unshelves]]
images = "image"
[[faults]]
kind = "kill"
hosts = "25%"
at = "0.5T"
`;

const small = ['--scenario', 'small-image', '--nodes', '5'];
let directory = '';
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'simulate-'))));
afterAll(() => rmSync(directory, { recursive: true }));

describe('npm run simulate', () => {
  test('lists the scenarios that come with Quarry, each with its sentence', async () => {
    const { code, out } = await cli(['--list']);
    expect(code).toBe(0);
    expect(out.trimEnd().split('\n')).toHaveLength(scenarioNames().length);
    for (const { name, about } of scenarioNames())
      expect(out).toMatch(new RegExp(`^${name} +${RegExp.escape(about)}$`, 'm'));
    expect(JSON.parse((await cli(['--list', '--json'])).out)).toEqual(scenarioNames());
  });

  test('prints for people what came of it, beside the bound', async () => {
    const { code, out, err } = await cli([...small, '--seed', '3']);
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toMatch(/^scenario +small-image, seed 3$/m);
    expect(out).toMatch(/^finished +5 of 5 unshelves, 5 expected$/m);
    expect(out).toMatch(/^makespan +[\d.]+ s \/ bound [\d.]+ s = [\d.]+ \(bound by .+\)$/m);
    expect(out).toMatch(/^invariants +all hold$/m);
  });

  test('--json prints one object, with the promised fields first and in order', async () => {
    const { code, out } = await cli([...small, '--json']);
    expect(code).toBe(0);
    expect(out.trimEnd()).not.toContain('\n');
    const report = JSON.parse(out) as Record<string, unknown>;
    expect(Object.keys(report).slice(0, promisedFields.length)).toEqual(promisedFields);
    expect(promisedFields.join(' ')).toBe(
      'scenario seed nodes finished expectedToFinish makespanSeconds boundSeconds ratio p50Seconds p99Seconds originBytes uniqueBytes originAmplification duplicateBytes crossZoneBytes badChunksAccepted invariantsBroken realSeconds',
    );
    for (const field of promisedFields) expect(typeof report[field]).toBe(field === 'scenario' ? 'string' : 'number');
    expect(report).toMatchObject({
      scenario: 'small-image',
      seed: 1,
      nodes: 5,
      finished: 5,
      unshelves: 5,
      peakRssMiB: 100,
    });
    expect(report.ratio).toBeCloseTo(Number(report.makespanSeconds) / Number(report.boundSeconds), 9);
  });

  test('--json FILE keeps the object there and speaks to people', async () => {
    const file = join(directory, 'report.json');
    const { out } = await cli([...small, '--json', file]);
    expect(out).toContain('makespan');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ scenario: 'small-image' });
  });

  test('--trace writes the same bytes for the same seed, and others for another', async () => {
    const scenario = join(directory, 'some-die.toml');
    writeFileSync(scenario, someDie);
    const trace = async (seed: number, name: string): Promise<string> => {
      const file = join(directory, name);
      expect((await cli(['--scenario', scenario, '--seed', String(seed), '--trace', file])).code).toBe(0);
      return readFileSync(file, 'utf8');
    };
    const first = await trace(1, 'a.json');
    expect(await trace(1, 'b.json')).toBe(first);
    expect(await trace(2, 'c.json')).not.toBe(first);
    const events = JSON.parse(first) as { readonly ph: string; readonly cat?: string; readonly name: string }[];
    expect(events.filter(({ name }) => name === 'process_name')).toHaveLength(8 + 1 + 2);
    const spans = (kind: string): number => events.filter(({ ph, cat }) => ph === 'X' && cat === kind).length;
    expect(spans('unshelve')).toBe(8);
    expect(spans('receive')).toBeGreaterThan(6 * 64);
    expect(spans('send')).toBeGreaterThanOrEqual(64);
    expect(events.filter(({ cat, name }) => cat === 'fault' && name === 'kill')).toHaveLength(2);
  });

  test('says who failed and why, and ends with 1, when an invariant is broken', async () => {
    const { code, out } = await cli(small, breaking);
    expect(code).toBe(exitCodes.broken.code);
    expect(out).toContain('BROKEN at 1.500 s: budgetExceeded: 2 MiB left the origin in one second');
  });

  test('ends with 1 when somebody did not finish who had to', async () => {
    const one = changing((result) => ({ ...result, report: { ...result.report, finished: 4 } }));
    expect((await cli(small, one)).code).toBe(exitCodes.broken.code);
  });

  test('ends with 130 and a word when it is stopped', async () => {
    const stop = new AbortController();
    const stopping: Simulate = (storm, options) => {
      stop.abort(new Interrupted('stopped by SIGINT'));
      options.signal?.throwIfAborted();
      return simulate(storm, options);
    };
    const { code, out, err } = await cli(small, stopping, stop);
    expect({ code, out }).toEqual({ code: 130, out: '' });
    expect(err).toContain('stopped');
  });

  test.for([
    [['--scenario', 'same-imgae'], 'there is no scenario "same-imgae"'],
    [['--scenario', 'same-imgae'], 'same-image'],
    [['--scenario', './nowhere.toml'], 'nowhere.toml'],
    [[...small, '--seed', '1.5'], 'whole number'],
    [[...small, '--nodes', '0'], 'whole number from 1'],
    [[...small, '--link', '100Mb/s'], '1Gbit/s'],
    [[...small, '--scale', '1/0'], '1/32'],
    [['--chaos', '--runs', 'many'], 'whole number'],
    [[], 'none is given'],
    [['--list', '--chaos'], '--list and --chaos'],
    [['--chaos', '--nodes', '5'], '--nodes goes with --scenario'],
    [['--chaos', '--seed', '5', '--max-failures', '5'], '--max-failures goes with --chaos, without --seed'],
    [['--chaos', '--trace', 'x.json'], '--trace is for one storm'],
    [[...small, '--trace', '/nowhere/at/all.json'], 'cannot write the trace to /nowhere/at/all.json (ENOENT)'],
    [[...small, '--loud'], "unknown option '--loud'"],
    [['same-image'], 'too many arguments'],
  ] as const)('%j is refused with 2 and "%s"', async ([words, message]) => {
    const { code, out, err } = await cli(words);
    expect({ code, out }).toEqual({ code: exitCodes.usage.code, out: '' });
    expect(err).toContain(message);
  });

  test('refuses a malformed file by name', async () => {
    const file = join(directory, 'bad.toml');
    writeFileSync(file, 'hosts = 3\n');
    const { code, err } = await cli(['--scenario', file]);
    expect(code).toBe(exitCodes.usage.code);
    expect(err).toContain(file);
  });

  test('--help gives examples and exit codes', async () => {
    const { code, out } = await cli(['--help']);
    expect(code).toBe(0);
    expect(out).toContain('npm run simulate -- --chaos --runs 2000');
    expect(out).toContain('130 stopped');
  });
});

describe('npm run simulate -- --chaos', () => {
  test('prints what failed and the command that shows it again', async () => {
    const third = changing((result, seed) =>
      seed === 12
        ? { ...result, broken: [{ atMs: 20, name: 'hung', message: 'h3 waits' }] }
        : { ...result, broken: [] },
    );
    const { code, out } = await cli(['--chaos', '--from', '10', '--runs', '4'], third);
    expect(code).toBe(exitCodes.broken.code);
    expect(out).toContain(
      'seed 12 FAILED\n  at 0.020 s: hung: h3 waits\n  again: npm run simulate -- --chaos --seed 12\n',
    );
    expect(out).toContain('4 seeds from 10 on: 1 FAILED: 12');
  });

  test('stops at so many failures, and --json tells it all in one object', async () => {
    const { code, out } = await cli(['--chaos', '--runs', '9', '--max-failures', '2', '--json'], breaking);
    expect(code).toBe(exitCodes.broken.code);
    expect(JSON.parse(out)).toMatchObject({
      fromSeed: 1,
      runs: 2,
      failed: 2,
      failures: [{ seed: 1, replay: 'npm run simulate -- --chaos --seed 1' }, { seed: 2 }],
    });
  });

  test('takes an error that is thrown for a finding, and goes on', async () => {
    const throwing: Simulate = (storm, options) =>
      storm.seed === 1 ? Promise.reject(new TypeError('no such piece')) : sound(storm, options);
    const { code, out } = await cli(['--chaos', '--runs', '2'], throwing);
    expect(code).toBe(exitCodes.broken.code);
    expect(out).toContain('TypeError: no such piece');
    expect(out).toContain('2 seeds from 1 on: 1 FAILED: 1');
  });

  test('stopped half-way tells what it has found by then, and ends with 130', async () => {
    const stop = new AbortController();
    const stopping: Simulate = (storm, options) => {
      if (storm.seed === 3) stop.abort(new Interrupted('stopped by SIGINT'));
      options.signal?.throwIfAborted();
      return breaking(storm, options);
    };
    const { code, out } = await cli(['--chaos', '--runs', '9', '--max-failures', '9'], stopping, stop);
    expect(code).toBe(exitCodes.interrupted.code);
    expect(out).toContain('2 seeds from 1 on: 2 FAILED: 1 2 (stopped before the other 7)');
  });

  test('--seed runs one of them as a scenario is run', async () => {
    const { out } = await cli(['--chaos', '--seed', '17', '--json']);
    expect(JSON.parse(out)).toMatchObject({ scenario: 'chaos-17', seed: 17 });
  });
});
