import type { Command } from 'commander';
import { formatBytes } from '@quarry/runtime';
import type { PrefetchReport } from '../images/prefetch-images.ts';
import { CliError } from './cli-error.ts';
import type { CliContext } from './commands.ts';
import { addConfigFlags, clientKeys, configOf } from './config-flags.ts';
import { textTable } from './text-table.ts';
import { withDaemon } from './with-daemon.ts';

/** Brings images to nodes before Monday morning does. */
export function addPrefetch(program: Command, context: CliContext): void {
  const command = program
    .command('prefetch')
    .argument('<image...>', 'images that this node or a member knows: seeded, shelved or fetched before')
    .option('--to-node <peer id>', 'a node to bring them to; repeat it for more', collect)
    .option('--to-zone <name>', 'nodes of this zone; repeat it for more', collect)
    .option('--percent <number>', 'of the nodes of each zone, so many', '100')
    .description(
      'have nodes fetch images before anybody asks for them, and watch until they have; Ctrl-C stops the watching',
    );
  addConfigFlags(command, clientKeys).action(async (images: readonly string[]) => {
    const terminal = context.terminal();
    const options = command.opts<{ toNode?: readonly string[]; toZone?: readonly string[]; percent: string }>();
    const percent = Number(options.percent);
    if (!(percent > 0 && percent <= 100))
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        `--percent is ${JSON.stringify(options.percent)}, but must be a number above 0, and 100 at most`,
      );
    const report = await withDaemon(configOf(command), context, { isLocal: false }, (client) =>
      client.prefetch(
        { images, nodes: options.toNode ?? [], zones: options.toZone ?? [], percent },
        { signal: context.signal, onProgress: (progress) => terminal.progress(progress) },
      ),
    );
    terminal.result(report, prefetchText);
    const missed = report.nodes.filter(({ state }) => state !== 'complete');
    if (missed.length > 0)
      throw new CliError(
        'CLI_INCOMPLETE',
        `${missed.length} of ${report.nodes.length} did not get what they were asked to`,
      );
  });
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

function prefetchText({ nodes, coverage }: PrefetchReport): string {
  const rows = nodes.map(({ image, zone, peer, state, presentBytes, wantedBytes, reason }) => [
    image,
    zone,
    peer,
    state,
    `${formatBytes(presentBytes)} of ${formatBytes(wantedBytes)}`,
    reason ?? '',
  ]);
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;
  return [
    textTable(['image', 'zone', 'node', 'state', 'there', ''], rows),
    ...coverage.map(
      ({ image, all, zones }) =>
        `${image}: ${percent(all)} of its chunks are on these nodes (${Object.entries(zones)
          .map(([zone, part]) => `${zone} ${percent(part)}`)
          .join(', ')})`,
    ),
  ].join('\n');
}
