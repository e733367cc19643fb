import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CommanderError } from 'commander';
import { createLifecycle, createSeededRandom, isCodedError } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import { expandScenario, loadScenario, scenarioNames } from '@quarry/scenario';
import type { Storm } from '@quarry/scenario';
import { contestantOf } from '../contestants/contestant-of.ts';
import { startStormGlance } from '../glance/start-storm-glance.ts';
import { makeSourceImages } from '../images/make-source-images.ts';
import { createStormNetwork } from '../network/create-storm-network.ts';
import { whyNoStormNetwork } from '../network/why-no-storm-network.ts';
import { writeReport } from '../report/write-report.ts';
import { runStorm } from '../run/run-storm.ts';
import type { RunStormDeps } from '../run/run-storm.ts';
import { summaryOf } from '../run/summary.ts';
import { runSoak, soakStorm } from '../soak/run-soak.ts';
import { soakText } from '../soak/soak-report.ts';
import { StormError } from '../storm-error.ts';
import type { StormRecord } from '../storm-record.ts';
import { exitCodes } from './exit-codes.ts';
import { LINK_BYTES_PER_SECOND, stormCommand } from './storm-options.ts';
import type { StormOptions } from './storm-options.ts';
import { textReport } from './text-report.ts';

export interface StormContext {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Parses the words, plays what they ask for, says what came of it, and returns the exit code. */
export async function stormCli(words: readonly string[], context: StormContext): Promise<number> {
  const { out, err } = context;
  const program = stormCommand().configureOutput({
    writeOut: (text) => void out.write(text),
    writeErr: (text) => void err.write(text),
  });
  try {
    program.parse(words, { from: 'user' });
    return await run(program.opts<StormOptions>(), context, words);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
    return told(error, context);
  }
}

async function run(options: StormOptions, context: StormContext, words: readonly string[]): Promise<number> {
  const { out } = context;
  if (options.list) {
    out.write(listText(options.json === true));
    return exitCodes.ok.code;
  }
  if ((options.scenario === undefined) === (options.soak === undefined))
    throw new StormError('STORM_BAD_ARGUMENT', 'say what to play with --scenario (see --list), or how long to --soak');
  if (options.soak !== undefined) return await soak(options, options.soak, context);
  const { seed, link, scale } = options;
  const storm = expandScenario(loadScenario(options.scenario ?? ''), { seed, nodes: options.hosts, link, scale });
  const contestants = ['quarry', ...options.against].map((name) => contestantOf(name));
  if (options.logs !== undefined) await makeDirectory(options.logs);
  if (options.report !== undefined) await makeDirectory(options.report);
  const record = await onStage(storm, options, context, (deps, directory) => {
    const { glance, logs } = options;
    return runStorm(deps, {
      storm,
      contestants,
      directory,
      glance,
      logs: logs && resolve(logs),
      signal: context.signal,
    });
  });
  await say({ ...record, command: commandOf(words) }, options, context);
  return isGood(record) ? exitCodes.ok.code : exitCodes.broken.code;
}

const SOAK_HOSTS = 8;
const SOAK_IMAGE_MIB = 8;

async function soak(options: StormOptions, durationMs: number, context: StormContext): Promise<number> {
  const { hosts = SOAK_HOSTS, link = LINK_BYTES_PER_SECOND, seed } = options;
  const storm = soakStorm({ hosts, linkBytesPerSecond: link, imageMiB: SOAK_IMAGE_MIB, seed });
  const report = await onStage(storm, options, context, (deps, directory) =>
    runSoak(deps, { storm, durationMs, directory, signal: context.signal }),
  );
  const json = JSON.stringify(report, undefined, options.json === true ? undefined : 2);
  if (typeof options.json === 'string') await writeFile(options.json, `${json}\n`).catch(cannotWrite(options.json));
  context.out.write(options.json === true ? `${json}\n` : `${soakText(report)}\n`);
  return report.isGood ? exitCodes.ok.code : exitCodes.broken.code;
}

/** Makes what a storm needs, has `play` use it, and removes it, whatever comes of that. */
async function onStage<T>(
  storm: Storm,
  { content, glance, seed }: StormOptions,
  context: StormContext,
  play: (deps: RunStormDeps, directory: string) => Promise<T>,
): Promise<T> {
  const { clock, signal } = context;
  const why = whyNoStormNetwork();
  if (why !== undefined) throw new StormError('STORM_IMPOSSIBLE_HERE', why);
  const line = progressLine(context);
  const lifecycle = createLifecycle();
  const directory = await workDirectory();
  lifecycle.onClose('the working directory', () => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  const startedMs = clock.now();
  const note = (text: string): void =>
    line.note(`${((clock.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${text}`);
  try {
    const deps: RunStormDeps = {
      clock,
      random: createSeededRandom(seed),
      lifecycle,
      note,
      progress: (text) => line.draw(text),
      createNetwork: () => createStormNetwork({ clock, lifecycle, note }, { storm, runDirectory: directory, signal }),
      makeImages: (path) => makeSourceImages(storm, { directory: path, content, seed, signal }),
      startGlance: (stage) => startStormGlance(stage, { kind: glance }),
    };
    return await play(deps, directory);
  } finally {
    line.end();
    await lifecycle.close();
  }
}

/** What to type to run it again; words that a shell would take apart are quoted. */
function commandOf(words: readonly string[]): string {
  const quoted = words.map((word) => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return ['npm run storm --', ...quoted].join(' ');
}

async function say(record: StormRecord, options: StormOptions, { out, err, signal }: StormContext): Promise<void> {
  const json = JSON.stringify(summaryOf(record), undefined, options.json === true ? undefined : 2);
  if (typeof options.json === 'string') await writeFile(options.json, `${json}\n`).catch(cannotWrite(options.json));
  out.write(options.json === true ? `${json}\n` : `${textReport(record)}\n`);
  if (options.report === undefined) return;
  await writeReport(record, options.report, { signal });
  err.write(`the report: ${join(options.report, 'index.html')}\n`);
}

function isGood({ contestants }: StormRecord): boolean {
  const quarry = contestants.find(({ name }) => name === 'quarry');
  const hasAll =
    quarry?.ran === true && quarry.unshelves.every(({ isExpected, failure }) => !isExpected || failure === undefined);
  return hasAll && contestants.every(({ wrongBytes }) => wrongBytes === 0);
}

/** Unix sockets lie in it: their paths may have 107 bytes, and ours need some 60. */
const MOST_DIRECTORY_BYTES = 40;

async function workDirectory(): Promise<string> {
  const parent =
    Buffer.byteLength(tmpdir()) + '/quarry-storm-XXXXXX'.length <= MOST_DIRECTORY_BYTES ? tmpdir() : '/tmp';
  return await mkdtemp(join(parent, 'quarry-storm-'));
}

async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(cannotWrite(path));
}

function cannotWrite(path: string): (cause: unknown) => never {
  return (cause) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StormError('STORM_FILE', `cannot write to ${path}: ${why}`, { details: { path }, cause });
  };
}

function listText(isJson: boolean): string {
  const scenarios = scenarioNames();
  if (isJson) return `${JSON.stringify(scenarios)}\n`;
  const width = Math.max(...scenarios.map(({ name }) => name.length)) + 2;
  return scenarios.map(({ name, about }) => `${name.padEnd(width)}${about}\n`).join('');
}

function told(error: unknown, { err, signal }: StormContext): number {
  if (signal.aborted) {
    err.write('storm: stopped before the end; everything is removed, and there is no result\n');
    return exitCodes.interrupted.code;
  }
  if (isCodedError(error)) {
    err.write(`storm: ${error.message} [${error.code}]\n`);
    return error.code === 'STORM_PART_FAILED' ? exitCodes.broken.code : exitCodes.usage.code;
  }
  err.write(`storm: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCodes.broken.code;
}

interface ProgressLine {
  draw(text: string): void;
  note(text: string): void;
  end(): void;
}

/** One line on a terminal that is drawn again and again; silent when piped. Notes go above it. */
function progressLine({ err }: StormContext): ProgressLine {
  let isDrawn = false;
  const end = (): void => {
    if (isDrawn) err.write('\r\u001b[K');
    isDrawn = false;
  };
  return {
    draw(text) {
      if (err.isTTY !== true) return;
      isDrawn = true;
      err.write(`\r\u001b[K${text.slice(0, (err.columns ?? 80) - 1)}`);
    },
    note(text) {
      end();
      err.write(`${text}\n`);
    },
    end,
  };
}
