#!/usr/bin/env node
/** `npm run storm`. Ctrl-C or SIGTERM begins a clean stop; a second one ends it at once, and the next run removes what is left. */
import { systemClock } from '@quarry/runtime';
import { exitCodes } from './cli/exit-codes.ts';
import { stormCli } from './cli/storm-cli.ts';

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(exitCodes.interrupted.code);
    stop.abort(new Error(`stopped by ${name}`));
  });
}
// a reader that leaves (`… | head`) is no error of ours
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exitCodes.ok.code : exitCodes.broken.code),
);

process.exitCode = await stormCli(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  clock: systemClock,
  signal: stop.signal,
});
