import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { isCodedError, parseRate } from '@quarry/runtime';
import { expandScenario, loadScenario, parseScale, scenarioNames } from '@quarry/scenario';
import { randomStorm } from '../chaos/random-storm.ts';
import { SimulatorError } from '../simulator-error.ts';
import { chaosCommand } from './chaos-command.ts';
import type { CliContext } from './cli-context.ts';
import { exitCodes, Interrupted } from './exit-codes.ts';
import { runOne } from './run-one.ts';

interface Flags {
  readonly scenario?: string;
  readonly seed?: number;
  readonly nodes?: number;
  readonly link?: number;
  readonly scale?: number;
  readonly json?: boolean | string;
  readonly trace?: string;
  readonly list?: boolean;
  readonly chaos?: boolean;
  readonly runs?: number;
  readonly from?: number;
  readonly maxFailures?: number;
  readonly workers?: number;
}

const DEFAULT_SEED = 1;
const DEFAULT_RUNS = 200;
const DEFAULT_MAX_FAILURES = 5;
const MAX_SEED = 2 ** 32 - 1;

const examples = `
Examples:
  npm run simulate -- --list
  npm run simulate -- --scenario same-image --nodes 1000 --link 10Gbit/s
  npm run simulate -- --scenario killed --seed 7 --trace killed.json   # open it at ui.perfetto.dev
  npm run simulate -- --scenario my-storm.toml --json
  npm run simulate -- --chaos --runs 2000                              # look for a schedule that breaks something
  npm run simulate -- --chaos --seed 1234 --trace 1234.json            # look at one again

Exit codes: ${Object.values(exitCodes)
  .map(({ code, doc }) => `${code} ${doc}`)
  .join('; ')}.
docs/simulator.md tells what is modelled and how to read the output, docs/scenarios.md how to write a scenario.`;

/** Parses the words, runs what they ask for, reports what went wrong in one line, and returns the exit code. */
export async function simulateCli(words: readonly string[], context: CliContext): Promise<number> {
  const { out, err } = context.streams;
  const program = new Command('simulate')
    .description(
      'Runs the swarm’s own decisions through a storm, in virtual time, and compares the result with the bound that nobody can beat.',
    )
    .option('--scenario <name|file>', 'the storm: one of --list, or a TOML file (docs/scenarios.md)')
    .option(
      '--seed <n>',
      `what chance decides; with --chaos: the one seed to run again (default ${DEFAULT_SEED})`,
      seed,
    )
    .option('--nodes <n>', 'hosts, instead of the scenario’s number', count)
    .option(
      '--link <rate>',
      'each host’s link, instead of the scenario’s; the others keep their ratio to it, e.g. 10Gbit/s',
      rate,
    )
    .option(
      '--scale <part>',
      'images at so great a part of their size, e.g. 1/32, as the storm harness has them',
      scale,
    )
    .option('--json [file]', 'the result as one JSON object on standard output, or into the file')
    .option('--trace <file>', 'what happened, for ui.perfetto.dev or chrome://tracing; some 200 bytes per piece sent')
    .option('--list', 'the scenarios that come with Quarry')
    .option('--chaos', 'small random storms with random faults, one per seed, looking for one that breaks an invariant')
    .option('--runs <n>', `chaos: how many seeds (default ${DEFAULT_RUNS})`, count)
    .option('--from <seed>', `chaos: the first of them (default ${DEFAULT_SEED})`, seed)
    .option('--max-failures <n>', `chaos: stop after so many failing seeds (default ${DEFAULT_MAX_FAILURES})`, count)
    .option('--workers <n>', `chaos: threads (default: one per core, here ${context.workers})`, count)
    .addHelpText('after', examples)
    .showHelpAfterError('(--help tells what there is)')
    .configureOutput({ writeOut: (text) => void out.write(text), writeErr: (text) => void err.write(text) })
    .allowExcessArguments(false)
    .exitOverride();
  try {
    program.parse(words, { from: 'user' });
    return await run(program.opts<Flags>(), context);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
    return report(error, context);
  }
}

async function run(flags: Flags, context: CliContext): Promise<number> {
  refuseMixtures(flags);
  const output = { json: flags.json ?? false, trace: flags.trace };
  if (flags.list) {
    context.streams.out.write(listText(flags.json === true));
    return exitCodes.ok.code;
  }
  if (flags.chaos && flags.seed !== undefined) return await runOne(randomStorm(flags.seed), output, context);
  if (flags.chaos) {
    return await chaosCommand(
      {
        fromSeed: flags.from ?? DEFAULT_SEED,
        runs: flags.runs ?? DEFAULT_RUNS,
        maxFailures: flags.maxFailures ?? DEFAULT_MAX_FAILURES,
        workers: flags.workers ?? context.workers,
        json: output.json,
      },
      context,
    );
  }
  const scenario = loadScenario(flags.scenario ?? '');
  const { seed: chosen = DEFAULT_SEED, nodes, link, scale: part } = flags;
  return await runOne(expandScenario(scenario, { seed: chosen, nodes, link, scale: part }), output, context);
}

/** What one asks for has to be one thing. @throws SimulatorError SIMULATOR_BAD_ARGUMENT */
function refuseMixtures(flags: Flags): void {
  const asked = (['list', 'chaos', 'scenario'] as const).filter((name) => flags[name] !== undefined);
  if (asked.length !== 1) {
    const found = asked.length === 0 ? 'none is given' : `given are --${asked.join(' and --')}`;
    throw bad(`say what to run with one of --scenario, --chaos and --list: ${found}`);
  }
  const isReplay = flags.chaos === true && flags.seed !== undefined;
  const only = (names: readonly (keyof Flags)[], isAllowed: boolean, what: string): void => {
    const wrong = names.find((name) => flags[name] !== undefined);
    if (wrong !== undefined && !isAllowed)
      throw bad(`--${wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${what}`);
  };
  only(['nodes', 'link', 'scale'], flags.scenario !== undefined, 'goes with --scenario: chaos makes its own storms');
  only(
    ['runs', 'from', 'maxFailures', 'workers'],
    flags.chaos === true && !isReplay,
    'goes with --chaos, without --seed',
  );
  only(
    ['trace'],
    flags.scenario !== undefined || isReplay,
    'is for one storm: give --scenario, or --chaos with --seed',
  );
}

function listText(isJson: boolean): string {
  const scenarios = scenarioNames();
  if (isJson) return `${JSON.stringify(scenarios)}\n`;
  const width = Math.max(...scenarios.map(({ name }) => name.length)) + 2;
  return scenarios.map(({ name, about }) => `${name.padEnd(width)}${about}\n`).join('');
}

function report(error: unknown, { streams, signal }: CliContext): number {
  if (error instanceof Interrupted || signal.aborted) {
    streams.err.write('simulate: stopped before the end; there is no result\n');
    return exitCodes.interrupted.code;
  }
  if (isCodedError(error)) {
    streams.err.write(`simulate: ${error.message} [${error.code}]\n`);
    return error.code === 'SIMULATOR_WORKER_LOST' ? exitCodes.broken.code : exitCodes.usage.code;
  }
  streams.err.write(`simulate: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCodes.broken.code;
}

function bad(message: string): SimulatorError {
  return new SimulatorError('SIMULATOR_BAD_ARGUMENT', message);
}

function seed(text: string): number {
  return wholeNumber(text, 0, MAX_SEED);
}

function count(text: string): number {
  return wholeNumber(text, 1, 1e9);
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  return value;
}

function rate(text: string): number {
  const value = parseRate(text);
  if (value === undefined || value === Infinity)
    throw new InvalidArgumentError('It must be a rate such as 1Gbit/s or 125MB/s.');
  return value;
}

function scale(text: string): number {
  const value = parseScale(text);
  if (value === undefined) throw new InvalidArgumentError('It must be a part such as 1/32 or 0.25, above 0.');
  return value;
}
