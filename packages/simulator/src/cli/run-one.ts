import { writeFileSync } from 'node:fs';
import { errorCode, formatDuration } from '@quarry/runtime';
import { boundOf } from '@quarry/scenario';
import type { Storm } from '@quarry/scenario';
import { SimulatorError } from '../simulator-error.ts';
import { tracePlaces } from '../trace.ts';
import type { CliContext } from './cli-context.ts';
import { exitCodes } from './exit-codes.ts';
import { jsonReport } from './json-report.ts';
import type { FinishedRun } from './json-report.ts';
import { createProgressLine } from './progress-line.ts';
import { textReport } from './text-report.ts';
import { openTraceFile } from './trace-file.ts';

export interface OutputOptions {
  /** True: one object on standard output instead of text. A string: the object into this file, text on standard output. */
  readonly json: boolean | string;
  readonly trace: string | undefined;
}

/** Runs one storm and says what came of it. Returns the exit code. */
export async function runOne(storm: Storm, output: OutputOptions, context: CliContext): Promise<number> {
  const { clock, streams, signal } = context;
  const line = createProgressLine(streams.err, clock);
  const trace = output.trace === undefined ? undefined : openTraceFile(output.trace, tracePlaces(storm).names);
  const startedAtMs = clock.now();
  let run: FinishedRun;
  try {
    const result = await context.simulate(storm, {
      trace,
      signal,
      onProgress: (virtualMs, finished) =>
        line.draw(
          () => `${storm.name}: ${finished} of ${storm.unshelves.length} finished at ${formatDuration(virtualMs)}`,
        ),
    });
    const realSeconds = Math.round(clock.now() - startedAtMs) / 1000;
    run = { result, bound: boundOf(storm), figures: { realSeconds, peakRssMiB: context.peakRssMiB() } };
  } finally {
    line.end();
    trace?.close();
  }
  const json = `${JSON.stringify(jsonReport(run), undefined, typeof output.json === 'string' ? 2 : undefined)}\n`;
  if (typeof output.json === 'string') writeReport(output.json, json);
  streams.out.write(output.json === true ? json : `${textReport(run)}\n`);
  return isGood(run) ? exitCodes.ok.code : exitCodes.broken.code;
}

function isGood({ result: { report, broken } }: FinishedRun): boolean {
  return broken.length === 0 && report.invariantsBroken === 0 && report.finished >= report.expectedToFinish;
}

export function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    const why = errorCode(cause) ?? 'unknown';
    throw new SimulatorError('SIMULATOR_FILE', `cannot write the report to ${path} (${why})`, {
      details: { path },
      cause,
    });
  }
}
