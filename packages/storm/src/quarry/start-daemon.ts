import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createControlClient } from '@quarry/daemon';
import type { ControlClient } from '@quarry/daemon';
import type { Clock } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import type { Place, Waiting } from '../storm-network.ts';
import { daemonEnvironment, daemonFlags } from './node-flags.ts';

/** A daemon in a place of the storm's network. */
export interface RunningDaemon {
  readonly name: string;
  readonly pid: number;
  readonly nodeId: string;
  /** What others meet it at first. */
  readonly address: string;
  readonly directory: string;
  readonly client: ControlClient;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
  /** Resolves with the first line of JSON on its standard output that has this key, also one said before; rejects when it ends. */
  said(key: string, options: Waiting): Promise<Readonly<Record<string, unknown>>>;
  /** Whether it was there to get it. */
  signal(name: NodeJS.Signals): boolean;
}

const READY_WITHIN_MS = 120_000;
const LAST_LINES = 8;

/**
 * Starts one and resolves when it is ready: it accepts peers and its control socket answers. What it says on standard error is in `daemon.log` of its
 * directory, which must be there.
 * @throws StormError STORM_PART_FAILED with its last words
 */
export async function startDaemon(
  { clock }: { readonly clock: Clock },
  what: {
    readonly name: string;
    readonly place: Place;
    readonly script: string;
    readonly directory: string;
    readonly words: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    /** Called with its pid as soon as it runs. */
    readonly onStarted: (daemon: { readonly pid: number; readonly ended: Promise<string> }) => void;
  },
  { signal }: Waiting,
): Promise<RunningDaemon> {
  signal.throwIfAborted();
  const { name, place, script, directory, words } = what;
  const [command, ...before] = [...place.prefix, process.execPath];
  const logFile = join(directory, 'daemon.log');
  const log = await open(logFile, 'a');
  const child = spawn(command, [...before, ...daemonFlags, script, ...words], {
    stdio: ['ignore', 'pipe', log.fd],
    env: { PATH: process.env.PATH, ...daemonEnvironment, ...what.environment },
  });
  await log.close();
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, by) => resolve(by === null ? `with exit code ${code}` : `by ${by}`));
  });
  if (child.pid !== undefined) what.onStarted({ pid: child.pid, ended });
  const messages: Readonly<Record<string, unknown>>[] = [];
  if (!child.stdout) throw new TypeError('a pipe was asked for');
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    if (line.startsWith('{')) messages.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
  });
  const said: RunningDaemon['said'] = async (key, waiting) => {
    for (;;) {
      const message = messages.find((candidate) => key in candidate);
      if (message) return message;
      const woken = new AbortController();
      const how = await Promise.race([
        ended,
        once(lines, 'line', { signal: AbortSignal.any([waiting.signal, woken.signal]) }).then(() => undefined),
      ]).finally(() => woken.abort());
      if (how === undefined) continue;
      const text = await readFile(logFile, 'utf8').catch(() => '');
      const words = text.trimEnd().split('\n').slice(-LAST_LINES).join('\n');
      throw new StormError(
        'STORM_PART_FAILED',
        `${name} ended (${how}) before it said "${key}"; its last words:\n${words}`,
      );
    }
  };
  const late = new AbortController();
  const stopWaiting = clock.after(READY_WITHIN_MS, () =>
    late.abort(
      new StormError('STORM_PART_FAILED', `${name} was not ready within ${READY_WITHIN_MS / 1000} s; see ${logFile}`),
    ),
  );
  try {
    const ready = await said('nodeId', { signal: AbortSignal.any([signal, late.signal]) });
    const addresses = ready.addresses as readonly string[];
    return {
      name,
      pid: child.pid ?? -1,
      nodeId: String(ready.nodeId),
      address: String(addresses[0]),
      directory,
      client: createControlClient(String(ready.socket)),
      ended,
      said,
      signal: (by) => child.kill(by),
    };
  } catch (error) {
    child.kill('SIGKILL');
    signal.throwIfAborted();
    if (late.signal.aborted) throw late.signal.reason;
    throw error;
  } finally {
    stopWaiting();
  }
}
