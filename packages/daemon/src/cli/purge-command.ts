import type { Command } from 'commander';
import { formatBytes } from '@quarry/runtime';
import type { CliContext } from './commands.ts';
import { addConfigFlags, clientKeys, configOf } from './config-flags.ts';
import { withDaemon } from './with-daemon.ts';

/** Forgets what should not be kept: after a deletion that nobody told of, or when an advisory asks for it. */
export function addPurge(program: Command, context: CliContext): void {
  const command = program
    .command('purge')
    .argument('<what>', 'an image’s reference, "project:<id>" for a project’s images, or "all"')
    .option('--cluster', 'on every member, not on this host alone')
    .description(
      'forget images, and every chunk that nothing else is made of. Glance is not touched: what it still has is read from it; with --cluster by everybody for a day',
    );
  addConfigFlags(command, clientKeys).action(async (what: string) => {
    const { cluster } = command.opts<{ cluster?: boolean }>();
    const isClusterWide = cluster === true;
    const report = await withDaemon(configOf(command), context, { isLocal: !isClusterWide }, (client) =>
      client.purge({ what, isClusterWide }, { signal: context.signal }),
    );
    context
      .terminal()
      .result(
        report,
        ({ images, packs, bytes, told }) =>
          `forgot ${images.length} images here, ${packs} packs, ${formatBytes(bytes)} of chunks` +
          (isClusterWide ? `; told every member of ${told}` : ''),
      );
  });
}
