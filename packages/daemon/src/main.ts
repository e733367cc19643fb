#!/usr/bin/env node
/** The `quarry` command. Ctrl-C or SIGTERM begins a clean stop; a second one, or two seconds beyond what a seeder may wait, ends it at once. */
import { systemClock } from '@quarry/runtime';
import { exitCodes, Interrupted } from './cli/exit-codes.ts';
import { runCli } from './cli/run-cli.ts';

const STOP_WITHIN_MS = 2000;

const stop = new AbortController();
let cancelEnd = (): void => {};
const endWithin = (ms: number): void => {
  cancelEnd();
  cancelEnd = systemClock.after(ms, () => process.exit(exitCodes.interrupted.code));
};
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(exitCodes.interrupted.code);
    endWithin(STOP_WITHIN_MS);
    stop.abort(new Interrupted(`stopped by ${name}`));
  });
}
// a reader that leaves (`quarry images | head`) is no error of ours
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : exitCodes.internal.code),
);

process.exitCode = await runCli(process.argv.slice(2), stop.signal, (ms) => endWithin(ms + STOP_WITHIN_MS));
// what an open handle of a library might still hold must not keep a finished command from ending
systemClock.after(STOP_WITHIN_MS, () => process.exit());
