import { Command, CommanderError } from 'commander';
import { isCodedError, systemClock } from '@quarry/runtime';
import { version } from '../version.ts';
import {
  addConfig,
  addFetch,
  addGc,
  addImages,
  addKey,
  addNode,
  addPin,
  addSeed,
  addStatus,
  addVerify,
} from './commands.ts';
import type { CliContext } from './commands.ts';
import { addLimits } from './limits-command.ts';
import { addPrefetch } from './prefetch-command.ts';
import { addPurge } from './purge-command.ts';
import { addScan } from './scan-command.ts';
import { addDemo } from '../demo/demo-command.ts';
import { codesOf } from '../error-codes.ts';
import { exitCodeFor, exitCodes } from './exit-codes.ts';
import { createTerminal } from './terminal.ts';

/**
 * Parses the words, does the work, reports what went wrong in one line, and returns the exit code. `stopLater`: the clean stop that has begun
 * may take so much longer.
 */
export async function runCli(
  words: readonly string[],
  signal: AbortSignal,
  stopLater: (ms: number) => void,
): Promise<number> {
  const program = new Command('quarry');
  const terminal = (isJson = program.opts<{ json?: boolean }>().json === true) =>
    createTerminal({ out: process.stdout, err: process.stderr }, systemClock, { isJson });
  const context: CliContext = { clock: systemClock, signal, stopLater, terminal };
  program
    .description(
      'Moves disk images into compute hosts: each chunk from this host’s disk, else from a peer, and from Glance last.',
    )
    .version(version, '-V, --version')
    .option('--json', 'results as JSON on standard output, errors as JSON on standard error')
    .enablePositionalOptions()
    .showHelpAfterError('(--help tells what there is)')
    .exitOverride();
  for (const add of [
    addSeed,
    addNode,
    addFetch,
    addImages,
    addStatus,
    addVerify,
    addPin,
    addGc,
    addPrefetch,
    addPurge,
    addLimits,
    addScan,
    addKey,
    addConfig,
    addDemo,
  ])
    add(program, context);
  for (const command of allCommands(program)) {
    if (command !== program && !command.options.some((option) => option.long === '--json')) {
      command.option('--json', 'results as JSON').hook('preAction', () => {
        if (command.opts<{ json?: boolean }>().json) program.setOptionValue('json', true);
      });
    }
    command.exitOverride();
  }
  try {
    await program.parseAsync(words, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
    report(error, terminal().isJson);
    return exitCodeFor(error);
  }
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function report(error: unknown, isJson: boolean): void {
  const code = codesOf(error)[0] ?? 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  if (isJson) {
    const details = isCodedError(error) ? error.details : {};
    process.stderr.write(`${JSON.stringify({ error: { code, message, details } })}\n`);
    return;
  }
  process.stderr.write(`quarry: ${message} [${code}]\n`);
  if (exitCodeFor(error) === exitCodes.internal.code && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
}
