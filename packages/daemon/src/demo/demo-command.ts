import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parseBytes, parseRate } from '@quarry/runtime';
import { CliError } from '../cli/cli-error.ts';
import type { CliContext } from '../cli/commands.ts';
import { demoText } from './demo-report.ts';
import { demoDefaults } from './options.ts';

export function addDemo(program: Command, context: CliContext): void {
  program
    .command('demo')
    .description(
      'a storm on this machine: different snapshots of one image to several hosts at once, without and with Quarry',
    )
    .option('--nodes <count>', 'hosts, each a process, each unshelving its own snapshot', String(demoDefaults.nodes))
    .option('--size <size>', 'data in the base image', `${demoDefaults.baseBytes / 2 ** 20}MiB`)
    .option('--link <rate>', 'rate of the store’s link', `${(demoDefaults.linkBytesPerSecond * 8) / 1e6}Mbit/s`)
    .option('--seed <number>', 'another family of images', String(demoDefaults.seed))
    .option('--json <file>', 'also write the figures to this file')
    .option('--keep <directory>', 'work there, and leave images, hosts’ files, logs and statuses behind')
    .action(
      async (options: { nodes: string; size: string; link: string; seed: string; json?: string; keep?: string }) => {
        // its hosts are processes of their own, which it starts from their sources
        if (!import.meta.url.endsWith('.ts'))
          throw new CliError('CLI_BAD_ARGUMENT', 'the demo is not in the bundle: `npm run demo` in a checkout runs it');
        const terminal = context.terminal();
        const { runDemo } = await import('./run-demo.ts');
        const report = await runDemo(
          {
            clock: context.clock,
            note: (line) => terminal.note(line),
            progress: (progress) => terminal.progress(progress),
          },
          {
            nodes: wholeNumber('--nodes', options.nodes, 2, 64),
            baseBytes: bounded('--size', parseBytes(options.size), options.size, 2 ** 20, 2 ** 34),
            linkBytesPerSecond: bounded('--link', parseRate(options.link), options.link, 1e5, 1e10),
            seed: wholeNumber('--seed', options.seed, 0, 2 ** 32 - 1),
            ...(options.keep === undefined ? {} : { directory: resolve(options.keep) }),
            signal: context.signal,
          },
        );
        if (options.json !== undefined) await writeFile(resolve(options.json), `${JSON.stringify(report, null, 2)}\n`);
        terminal.result(report, demoText);
      },
    );
}

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new CliError(
    'CLI_BAD_ARGUMENT',
    `${flag} is ${JSON.stringify(text)}, but must be a whole number from ${least} to ${most}`,
  );
}

function bounded(flag: string, value: number | undefined, text: string, least: number, most: number): number {
  if (value !== undefined && value >= least && value <= most) return value;
  throw new CliError('CLI_BAD_ARGUMENT', `${flag} is ${JSON.stringify(text)}; see --help for what it may be`);
}
