// `npm run bench -- NAME…`: runs benchmarks, prints a table, and with --json writes the figures.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseBytes } from '@quarry/runtime';
import type { Bench } from './bench.ts';
import { gateway } from './gateway/gateway.ts';
import { hash } from './hash/hash.ts';
import { encoding } from './encoding/encoding.ts';
import { ingest } from './image/ingest.ts';
import { inventory } from './inventory/inventory.ts';
import { limits } from './limits/limits.ts';
import { memory } from './memory/memory.ts';
import { rebuild } from './image/rebuild.ts';
import { soak } from './memory/soak.ts';
import { store } from './store/store.ts';
import { storms } from './storms.ts';
import { transfer } from './transfer/transfer.ts';

const benches: Readonly<Record<string, Bench>> = {
  transfer,
  ingest,
  rebuild,
  store,
  hash,
  inventory,
  gateway,
  storms,
  encoding,
  limits,
  memory,
  soak,
};

const usage = `Usage: npm run bench -- NAME… [options]

${Object.entries(benches)
  .map(([name, { about, parts = [] }]) =>
    [`  ${name.padEnd(10)} ${about}`, ...(parts.length > 0 ? [`${''.padEnd(13)}--only ${parts.join()}`] : [])].join(
      '\n',
    ),
  )
  .join('\n')}

Options:
  --size SIZE   of the file that is measured with (default 1GiB)
  --runs N      rounds; the median counts (default 5)
  --dir DIR     where files are made, and removed again (default: the system's temporary directory)
  --only NAMES  of a benchmark with many parts: these alone, separated by commas
  --minutes N   of soak: how long (default 10)
  --json FILE   write the figures there
  --help        this`;

class UsageError extends Error {}

interface Arguments {
  readonly names: readonly string[];
  readonly sizeBytes: number;
  readonly runs: number;
  readonly dir: string;
  readonly only: readonly string[];
  readonly json: string | undefined;
  readonly minutes: number | undefined;
}

function parse(args: readonly string[]): Arguments | 'help' {
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        size: { type: 'string', default: '1GiB' },
        runs: { type: 'string', default: '5' },
        dir: { type: 'string', default: tmpdir() },
        only: { type: 'string', default: '' },
        json: { type: 'string' },
        minutes: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals: names } = parsed;
  if (values['help'] === true) return 'help';
  const known = Object.keys(benches).join(', ');
  if (names.length === 0) throw new UsageError(`Which benchmark? There are: ${known}.`);
  for (const name of names)
    if (!Object.hasOwn(benches, name)) throw new UsageError(`There is no benchmark "${name}". There are: ${known}.`);
  const sizeBytes = parseBytes(String(values['size']));
  if (sizeBytes === undefined || sizeBytes < 2 ** 22)
    throw new UsageError(`--size takes a size from 4MiB, not "${String(values['size'])}".`);
  const runs = Number(values['runs']);
  if (!Number.isInteger(runs) || runs < 1)
    throw new UsageError(`--runs takes a whole number from 1, not "${String(values['runs'])}".`);
  const json = values['json'] === undefined ? undefined : String(values['json']);
  const minutes = values['minutes'] === undefined ? undefined : Number(values['minutes']);
  if (minutes !== undefined && !(minutes > 0)) throw new UsageError('--minutes takes a number above 0.');
  const only = String(values['only'])
    .split(',')
    .filter((part) => part !== '');
  for (const name of names) {
    const { parts } = benches[name] as Bench;
    const unknown = parts && only.find((part) => !parts.includes(part));
    if (unknown !== undefined) {
      const known = parts?.length ? `It has: ${parts.join(', ')}.` : 'It has none.';
      throw new UsageError(`${name} has no part "${unknown}". ${known}`);
    }
  }
  return { names, sizeBytes, runs, dir: String(values['dir']), only, json, minutes };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', import.meta.dirname, ...args], { encoding: 'utf8' }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '-uno') === '' ? '' : '-dirty');
  } catch {
    return 'unknown'; // not a checkout
  }
}

async function main(): Promise<number> {
  const given = parse(process.argv.slice(2));
  if (given === 'help') {
    console.log(usage);
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(signal));
  const directory = await mkdtemp(join(given.dir, 'quarry-bench-'));
  const reports = [];
  let isGood = true;
  try {
    for (const name of given.names) {
      const { sizeBytes, runs, only, minutes } = given;
      const tell = (line: string): void => console.error(`${name}: ${line}`);
      const report = await (benches[name] as Bench).run({
        sizeBytes,
        runs,
        directory,
        only,
        minutes,
        signal: stop.signal,
        tell,
      });
      const figures = { bench: name, commit: commit(), node: process.version, sizeBytes, runs, ...report.figures };
      console.log(`${name}\n\n${report.text}\n`);
      console.log(`${JSON.stringify(figures)}\n`);
      reports.push(figures);
      isGood &&= report.isGood ?? true;
    }
  } catch (error) {
    if (stop.signal.aborted) return 130;
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  if (given.json !== undefined) {
    await writeFile(given.json, `${JSON.stringify(reports.length === 1 ? reports[0] : reports, undefined, 2)}\n`);
  }
  return isGood ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
