import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration, parseRate } from '@quarry/runtime';
import { parseScale } from '@quarry/scenario';
import { contestantNames } from '../contestants/contestant-names.ts';
import { exitCodes } from './exit-codes.ts';

/** The command line, read. */
export interface StormOptions {
  readonly scenario?: string;
  readonly hosts?: number;
  readonly seed: number;
  /** Bytes per second; undefined: as the scenario has it. */
  readonly link: number | undefined;
  readonly scale: number;
  /** Contestants besides Quarry. */
  readonly against: readonly string[];
  readonly glance: 'embedded' | 'real';
  readonly content: 'random' | 'disk';
  readonly json?: boolean | string;
  readonly report?: string;
  readonly logs?: string;
  readonly list?: boolean;
  /** Milliseconds. */
  readonly soak?: number;
}

const LINK = '20Mbit/s';
export const LINK_BYTES_PER_SECOND = 2_500_000;
const SCALE = '1/32';

const text = `
Everything runs on this machine: a network namespace with a shaped link for each host, real daemons, and after each contestant a comparison of every image
with its source, byte by byte. All of it shares the cores of this machine: the table's last column says whether they were the limit, and a slower --link gives the same work more time.
Links and images are small for that reason: unless told otherwise ${LINK}, and ${SCALE} of what the scenario says. The bound T* shrinks with them.

Examples:
  npm run storm -- --list
  npm run storm -- --scenario same-image --hosts 20 --against all --report storm
  npm run storm -- --scenario morning --scale 1/128 --against direct --json
  npm run storm -- --scenario my-storm.toml --link file --scale 1
  npm run storm -- --soak 2h --hosts 8

Exit codes: ${Object.values(exitCodes)
  .map(({ code, doc }) => `${code} ${doc}`)
  .join('; ')}.
docs/storm.md tells what is measured and how, docs/scenarios.md how to write a scenario.`;

export function stormCommand(): Command {
  return new Command('storm')
    .description(
      'Plays a storm of unshelves with real processes on a network of namespaces with shaped links. Linux, root.',
    )
    .option('--scenario <name|file>', 'the storm: one of --list, or a TOML file (docs/scenarios.md)')
    .option('--hosts <n>', 'hosts, instead of the scenario’s number', count)
    .option(
      '--against <names>',
      `who else does the same work: ${contestantNames.slice(1).join(', ')}, or all`,
      against,
      [],
    )
    .option('--seed <n>', 'what chance decides', seed, 1)
    .option(
      '--link <rate>',
      'each host’s link; the others keep their ratio to it; "file": as in the scenario',
      link,
      LINK_BYTES_PER_SECOND,
    )
    .option('--scale <part>', 'images at so great a part of their size', scale, parseScale(SCALE))
    .addOption(
      new Option('--glance <kind>', 'the embedded one, which answers as Glance does, or Debian’s without Keystone')
        .choices(['embedded', 'real'])
        .default('embedded'),
    )
    .addOption(
      new Option('--content <kind>', 'what is in the images: bytes that do not compress, or such as disks have')
        .choices(['random', 'disk'])
        .default('random'),
    )
    .option('--json [file]', 'the result as one JSON object on standard output, or into the file')
    .option('--report <dir>', 'a page (index.html) and its charts into this directory')
    .option('--logs <dir>', 'what every process said, and the nodes’ logs of pieces, into this directory')
    .option(
      '--soak <time>',
      'instead of a storm: shelves, unshelves, deletions and restarts for so long, e.g. 2h, and what grows',
      soakTime,
    )
    .option('--list', 'the scenarios that come with Quarry')
    .addHelpText('after', text)
    .showHelpAfterError('(--help tells what there is)')
    .allowExcessArguments(false)
    .exitOverride();
}

function against(value: string): readonly string[] {
  const others = contestantNames.slice(1);
  const names = value === 'all' ? others : value.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !others.includes(name as (typeof others)[number]));
  if (wrong !== undefined)
    throw new InvalidArgumentError(
      `There is no contestant "${wrong}": ${others.join(', ')}, or all. Quarry always runs.`,
    );
  return [...new Set(names)];
}

function count(value: string): number {
  return wholeNumber(value, 1, 250);
}

function seed(value: string): number {
  return wholeNumber(value, 0, 2 ** 32 - 1);
}

function wholeNumber(value: string, least: number, most: number): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= least && number <= most))
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  return number;
}

function link(value: string): number | undefined {
  if (value === 'file') return undefined;
  const rate = parseRate(value);
  if (rate === undefined || rate === Infinity)
    throw new InvalidArgumentError('It must be a rate such as 20Mbit/s, or "file".');
  return rate;
}

function scale(value: string): number {
  const part = parseScale(value);
  if (part === undefined) throw new InvalidArgumentError('It must be a part such as 1/32 or 0.25, above 0.');
  return part;
}

function soakTime(value: string): number {
  const ms = parseDuration(value);
  if (ms === undefined || !(ms >= 1000) || ms === Infinity)
    throw new InvalidArgumentError('It must be a time of a second or more, such as 30min or 2h.');
  return ms;
}
