#!/usr/bin/env node
/** The `quarry` command. Ctrl-C or SIGTERM begins a clean stop; a second one, or two seconds, ends it at once. */
import { systemClock } from '@quarry/runtime';
import { exitCodes, Interrupted } from './cli/exit-codes.ts';
import { runCli } from './cli/run-cli.ts';

const STOP_WITHIN_MS = 2000;

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(exitCodes.interrupted.code);
    stop.abort(new Interrupted(`stopped by ${name}`));
    systemClock.after(STOP_WITHIN_MS, () => process.exit(exitCodes.interrupted.code));
  });
}
// a reader that leaves (`quarry images | head`) is no error of ours
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : exitCodes.internal.code),
);

process.exitCode = await runCli(process.argv.slice(2), stop.signal);
// what an open handle of a library might still hold must not keep a finished command from ending
systemClock.after(STOP_WITHIN_MS, () => process.exit());
