import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { errorCode } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import { DemoError } from './demo-error.ts';

/** A part of the demo in a process of its own. It says what it has to say as JSON, one object a line, on standard output. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Resolves with the first message that has `key`, also one said before; rejects when the process ends or the time is over. */
  said(
    key: string,
    waiting: { readonly signal: AbortSignal; readonly withinMs: number },
  ): Promise<Record<string, unknown>>;
  /** Writes a line to its standard input. */
  tell(line: string): void;
  /** Forgets earlier messages with `key`, so that `said` waits for the next. */
  forget(key: string): void;
  /** CPU seconds and peak memory so far, where /proc tells. */
  readonly ended: Promise<void>;
  /** SIGTERM, and SIGKILL after two seconds. */
  stop(): Promise<void>;
}

/** `{ data: '/d', json: true }` → `--data /d --json`. */
export function flagWords(flags: Readonly<Record<string, string | true>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, value]));
}

const LAST_LINES = 12;
const KILL_AFTER_MS = 2500;

/** With `logFile`, what it says on standard error is kept there too. */
export function startChild(
  clock: Clock,
  name: string,
  script: string,
  args: readonly string[],
  logFile?: string,
): Child {
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--disable-warning=ExperimentalWarning', script, ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const messages: Record<string, unknown>[] = [];
  const lastWords: string[] = [];
  const listeners = new Set<() => void>();
  let exit: string | undefined;
  const wake = (): void => {
    for (const listener of listeners) listener();
  };
  const ended = new Promise<void>((resolve) => {
    const end = (how: string): void => {
      exit ??= how;
      wake();
      resolve();
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(signal ? `killed by ${signal}` : `exit code ${code}`));
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = parseObject(line);
    if (!message) return void lastWords.push(line);
    messages.push(message);
    wake();
  });
  if (logFile !== undefined) child.stderr.pipe(createWriteStream(logFile));
  createInterface({ input: child.stderr }).on('line', (line) => {
    lastWords.push(line);
    if (lastWords.length > LAST_LINES) lastWords.shift();
  });
  child.stdin.on('error', (error) => {
    if (errorCode(error) !== 'EPIPE') throw error;
  });
  return {
    name,
    pid: child.pid ?? -1,
    ended,
    tell: (line) => void child.stdin.write(`${line}\n`),
    forget(key) {
      for (let i = messages.length - 1; i >= 0; i -= 1) if (key in (messages[i] ?? {})) messages.splice(i, 1);
    },
    said(key, { signal, withinMs }) {
      return new Promise((resolve, reject) => {
        const settle = (): void => {
          stopWaiting();
          listeners.delete(look);
          signal.removeEventListener('abort', look);
        };
        const look = (): void => {
          const message = messages.find((candidate) => key in candidate);
          if (!message && !signal.aborted && exit === undefined) return;
          settle();
          if (signal.aborted) reject(signal.reason);
          else if (message) resolve(message);
          else
            reject(
              new DemoError(
                'DEMO_PART_FAILED',
                `${name} ended (${exit}) before it said "${key}"; its last words:\n${lastWords.join('\n')}`,
              ),
            );
        };
        const stopWaiting = clock.after(withinMs, () => {
          settle();
          reject(
            new DemoError(
              'DEMO_TOO_SLOW',
              `${name} did not say "${key}" within ${withinMs / 1000} s; its last words:\n${lastWords.join('\n')}`,
            ),
          );
        });
        listeners.add(look);
        signal.addEventListener('abort', look, { once: true });
        look();
      });
    },
    async stop() {
      if (exit !== undefined) return;
      child.kill('SIGTERM');
      const cancel = clock.after(KILL_AFTER_MS, () => child.kill('SIGKILL'));
      await ended;
      cancel();
    },
  };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // a line that only looks like JSON is kept as last words
  }
}
