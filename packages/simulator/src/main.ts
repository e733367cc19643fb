#!/usr/bin/env node
/** `npm run simulate`. Ctrl-C or SIGTERM begins a clean stop; a second one ends it at once. */
import { availableParallelism } from 'node:os';
import { systemClock } from '@quarry/runtime';
import { workerRunners } from './chaos/worker-runners.ts';
import { exitCodes, Interrupted } from './cli/exit-codes.ts';
import { simulateCli } from './cli/simulate-cli.ts';
import { simulate } from './world/simulate.ts';

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(exitCodes.interrupted.code);
    stop.abort(new Interrupted(`stopped by ${name}`));
  });
}
// a reader that leaves (`… | head`) is no error of ours
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exitCodes.ok.code : exitCodes.broken.code),
);

process.exitCode = await simulateCli(process.argv.slice(2), {
  streams: { out: process.stdout, err: process.stderr },
  clock: systemClock,
  signal: stop.signal,
  simulate,
  chaosRunners: workerRunners({ clock: systemClock }),
  workers: availableParallelism(),
  peakRssMiB: () => Math.round(process.resourceUsage().maxRSS / 1024),
});
