import type { Command } from 'commander';
import { formatRate } from '@quarry/runtime';
import { settingOf } from '../config/settings.ts';
import type { ConfigKey } from '../config/config.ts';
import { createControlClient } from '../control/control-client.ts';
import type { LimitsView } from '../daemon.ts';
import { CliError } from './cli-error.ts';
import type { CliContext } from './commands.ts';
import { addConfigFlags, clientKeys, configOf } from './config-flags.ts';

interface Limit {
  readonly name: keyof LimitsView;
  readonly key: ConfigKey;
  /** As commander names the flag's value. */
  readonly option: string;
  readonly about: string;
}

const limits: readonly Limit[] = [
  {
    name: 'uploadBytesPerSecond',
    key: 'limits.uploadBytesPerSecond',
    option: 'uploadRate',
    about: 'what this node sends to other members',
  },
  {
    name: 'downloadBytesPerSecond',
    key: 'limits.downloadBytesPerSecond',
    option: 'downloadRate',
    about: 'what this node receives from other members',
  },
  {
    name: 'originBytesPerSecond',
    key: 'limits.originBytesPerSecond',
    option: 'originRate',
    about: 'what may leave the store for the whole cluster; set it on every node alike',
  },
  {
    name: 'originReads',
    key: 'limits.originReads',
    option: 'originReads',
    about: 'reads from the origin under way at once, in the whole cluster',
  },
];

/** Shows the limits of the running daemon, after those that are named were changed. */
export function addLimits(program: Command, context: CliContext): void {
  const command = program
    .command('limits')
    .description('show the running daemon’s limits, and change those that are named, at once and until it stops');
  for (const { key, about } of limits) {
    command.option(`--${settingOf(key).flag} <value>`, `${about}: ${settingOf(key).kind.says}`);
  }
  addConfigFlags(command, clientKeys).action(async () => {
    const options: Readonly<Record<string, unknown>> = command.opts();
    const change: { -readonly [Name in keyof LimitsView]?: LimitsView[Name] } = {};
    for (const limit of limits) {
      if (options[limit.option] !== undefined) change[limit.name] = valueOf(limit, options[limit.option]);
    }
    const client = createControlClient(configOf(command).control.socket);
    const now = await client.limits(change, { signal: context.signal });
    context
      .terminal()
      .result(now, (view) =>
        [
          `sending    ${rateText(view.uploadBytesPerSecond)}`,
          `receiving  ${rateText(view.downloadBytesPerSecond)}`,
          `origin     ${rateText(view.originBytesPerSecond)}, ${view.originReads ?? 'any number of'} reads, for the cluster`,
        ].join('\n'),
      );
  });
}

function valueOf({ key }: Limit, raw: unknown): number | null {
  const { kind, flag } = settingOf(key);
  const value = kind.parse(raw);
  if (typeof value !== 'number')
    throw new CliError('CLI_BAD_ARGUMENT', `--${flag} is ${JSON.stringify(raw)}, but must be ${kind.says}`);
  return value === Infinity ? null : value;
}

function rateText(bytesPerSecond: number | null): string {
  return formatRate(bytesPerSecond ?? Infinity);
}
