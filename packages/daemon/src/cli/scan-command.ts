import type { Command } from 'commander';
import { parseBytes, parseRate } from '@quarry/runtime';
import type { ConfigKey } from '../config/config.ts';
import { scanDefaults } from '../scan/options.ts';
import type { StormPlan } from '../scan/storm-estimate.ts';
import { CliError } from './cli-error.ts';
import { existingPaths } from './commands.ts';
import type { CliContext } from './commands.ts';
import { addConfigFlags, configOf } from './config-flags.ts';
import { exitCodes } from './exit-codes.ts';

const originKeys: readonly ConfigKey[] = [
  'origin.kind',
  'origin.path',
  'origin.url',
  'origin.tokenFile',
  'origin.domain',
  'origin.idleTimeoutMs',
];

interface ScanFlags {
  readonly sample: string;
  readonly memory: string;
  readonly rate: string;
  readonly concurrent: string;
  readonly storm?: string;
  readonly hosts?: string;
  readonly link: string;
  readonly originLink: string;
}

/** Tells what Quarry would save, from the images as they lie. Starts nothing, writes nothing. */
export function addScan(program: Command, context: CliContext): void {
  const command = program
    .command('scan')
    .argument('[what...]', 'image files, directories of image files, or, with --origin, images by reference')
    .option('--sample <percent>', 'of the images, taken at random, read so many', '100%')
    .option('--rate <rate>', 'read no faster than this, such as 200MiB/s', 'unlimited')
    .option('--concurrent <number>', 'images read at once', String(scanDefaults.concurrent))
    .option('--memory <size>', 'what is remembered of chunks, at most', `${scanDefaults.memoryBytes / 2 ** 20}MiB`)
    .option('--storm <unshelves>', 'also what so many unshelves at once would cost')
    .option('--hosts <number>', 'of the storm; default: as many as unshelves')
    .option('--link <rate>', 'of each host', '10Gbit/s')
    .option('--origin-link <rate>', 'of the store', '10Gbit/s')
    .description(
      'read an image store, change nothing, and say what Quarry would save there; needs no daemon and no key',
    );
  addConfigFlags(command, originKeys).action(async (what: string[]) => {
    const flags = command.opts<ScanFlags>();
    const plan = stormPlanOf(flags);
    const options = {
      sample: percentOf('--sample', flags.sample),
      memoryBytes: atLeast(
        '--memory',
        parseBytes(flags.memory),
        2 ** 20,
        'a size from 1MiB, such as 256MiB',
        flags.memory,
      ),
      bytesPerSecond: rateOf('--rate', flags.rate),
      concurrent: countOf('--concurrent', flags.concurrent, 64),
    };
    const config = configOf(command);
    const isOrigin = config.origin.kind !== 'none';
    if (!isOrigin && what.length === 0)
      throw new CliError('CLI_BAD_ARGUMENT', 'name files or directories of images, or an origin with --origin');
    const paths = isOrigin ? what : await existingPaths(what);
    const terminal = context.terminal();
    // what hashes and cuts is for those who scan only
    const { domain, estimateStorm, scanImages, scanText, withImages } = await scanning();
    const { report, storm } = await withImages(config, paths, context.signal, async (sources, deps) => {
      if (sources.length === 0) throw new CliError('CLI_BAD_ARGUMENT', 'there is not one image to scan there');
      context.stopLater(scanDefaults.stopMs);
      return scanImages(deps, sources, {
        ...options,
        domain: domain(config.origin.domain),
        signal: context.signal,
        onProgress: (progress) => terminal.progress(progress),
      });
    });
    const estimate = plan && estimateStorm(storm, plan);
    const isStopped = context.signal.aborted;
    terminal.result({ ...report, isStopped, storm: estimate ?? null }, () => scanText(report, estimate, isStopped));
    if (isStopped) process.exitCode = exitCodes.interrupted.code;
  });
}

async function scanning() {
  const [{ domain }, { withImages }, { scanImages }, { scanText }, { estimateStorm }] = await Promise.all([
    import('@quarry/content'),
    import('../compose.ts'),
    import('../scan/scan-images.ts'),
    import('../scan/scan-text.ts'),
    import('../scan/storm-estimate.ts'),
  ]);
  return { domain, estimateStorm, scanImages, scanText, withImages };
}

function stormPlanOf({ storm, hosts, link, originLink }: ScanFlags): StormPlan | undefined {
  if (storm === undefined) {
    if (hosts === undefined) return undefined;
    throw new CliError('CLI_BAD_ARGUMENT', '--hosts is of a storm: say with --storm how many unshelves it has');
  }
  const unshelves = countOf('--storm', storm, 1_000_000);
  return {
    unshelves,
    hosts: Math.min(unshelves, hosts === undefined ? unshelves : countOf('--hosts', hosts, 100_000)),
    linkBytesPerSecond: rateOf('--link', link),
    originBytesPerSecond: rateOf('--origin-link', originLink),
  };
}

function percentOf(flag: string, text: string): number {
  const value = Number(/^(\d+(?:\.\d+)?) ?%?$/.exec(text.trim())?.[1] ?? Number.NaN) / 100;
  if (value > 0 && value <= 1) return value;
  throw wrong(flag, text, 'a percentage above 0 and up to 100, such as 10%');
}

function countOf(flag: string, text: string, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= most) return value;
  throw wrong(flag, text, `a whole number from 1 to ${most}`);
}

function rateOf(flag: string, text: string): number {
  return atLeast(flag, parseRate(text), 1, 'a rate such as "10Gbit/s" or "200MiB/s"', text);
}

function atLeast(flag: string, value: number | undefined, least: number, says: string, text: string): number {
  if (value !== undefined && value >= least) return value;
  throw wrong(flag, text, says);
}

function wrong(flag: string, text: string, says: string): CliError {
  return new CliError('CLI_BAD_ARGUMENT', `${flag} is ${JSON.stringify(text)}, but must be ${says}`);
}
