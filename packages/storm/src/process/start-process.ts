import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { systemClock } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import { usageOfTree } from './usage-of-tree.ts';
import type { Usage } from './usage-of-tree.ts';

/** A process that runs beside ours until it is stopped: a server, a seed, a node. */
export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** Since it started, with its children. */
  usage(): Promise<Usage>;
  /** Asks over the process’ IPC channel; rejects with its error, or with its last words when it ends. Without a limit in time: the signal ends it. */
  ask(question: object): Promise<Record<string, unknown>>;
  /** A line to its standard input; only where `onLine` was given. */
  write(line: string): void;
  /** Resolves when it ends by itself with code 0, or is stopped; rejects with its last words. */
  readonly ended: Promise<void>;
  /** Never resolves: rejects when it has ended, however that came about. For racing. */
  readonly fails: Promise<never>;
  /** SIGTERM, and SIGKILL after a while. Idempotent. */
  stop(): Promise<void>;
  /** SIGKILL, as when its host dies. Idempotent. */
  kill(): Promise<void>;
  /** Whether it was there to get it. */
  signal(name: NodeJS.Signals): boolean;
}

export interface StartOptions {
  readonly signal: AbortSignal;
  /** Whether it speaks our IPC. */
  readonly hasIpc?: boolean;
  /** Lines of its standard output. Its standard input stays open then, for who ends by that. */
  readonly onLine?: (line: string) => void;
  /** What it says over IPC without having been asked. */
  readonly onEvent?: (event: Record<string, unknown>) => void;
  /** Beyond this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the command, as in `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
}

interface Answer {
  readonly id?: number;
  readonly error?: string;
}

const KILL_AFTER_MS = 5000;
const LAST_BYTES = 4000;

/** Never detached: the terminal’s Ctrl-C reaches it too. Whoever starts it stops it, in a `finally`. */
export function startProcess(
  name: string,
  command: readonly string[],
  { signal, hasIpc = false, onEvent = () => {}, onLine, env = {}, prefix = [] }: StartOptions,
): RunningProcess {
  const [file = '', ...args] = [...prefix, ...command];
  const child: ChildProcess = spawn(file, args, {
    stdio: [onLine ? 'pipe' : 'ignore', 'pipe', 'pipe', ...(hasIpc ? (['ipc'] as const) : [])],
    env: { ...process.env, ...env },
  });
  let lastWords = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => (lastWords = (lastWords + data.toString()).slice(-LAST_BYTES)));
  }
  if (onLine && child.stdout) createInterface({ input: child.stdout }).on('line', onLine);
  child.stdin?.on('error', () => {}); // it has ended: its end says so
  const waiting = new Map<number, { resolve(answer: Record<string, unknown>): void; reject(error: unknown): void }>();
  let isStopping = false;
  let hasEnded = false;
  let lastId = 0;
  const closed = new Promise<string | undefined>((resolve) => {
    child.on('error', ({ message }) => resolve(message));
    child.on('close', (code, byWhat) => resolve(code === 0 ? undefined : `ended with ${code ?? byWhat}`));
  });
  const ended = closed.then((how) => {
    hasEnded = true;
    const words = lastWords.trim() || 'none';
    const error = new StormError('STORM_PART_FAILED', `${name} ${how ?? 'has ended'}; its last words:\n${words}`);
    for (const asked of waiting.values()) asked.reject(signal.aborted ? signal.reason : error);
    waiting.clear();
    if (how !== undefined && !isStopping) throw signal.aborted ? signal.reason : error;
  });
  ended.catch(() => {}); // told to whoever waits for it, or asks
  const fails = ended.then(() => {
    throw new StormError('STORM_PART_FAILED', `${name} has ended`);
  });
  fails.catch(() => {});
  child.on('message', (answer: Answer & Record<string, unknown>) => {
    if (answer.id === undefined) return onEvent(answer);
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error === undefined) asked?.resolve(answer);
    else asked?.reject(new StormError('STORM_PART_FAILED', `${name}: ${answer.error}`));
  });
  const stop = async (): Promise<void> => {
    isStopping = true;
    if (!hasEnded) child.kill('SIGTERM');
    const cancel = systemClock.after(KILL_AFTER_MS, () => child.kill('SIGKILL'));
    await ended.catch(() => {});
    cancel();
  };
  const kill = async (): Promise<void> => {
    isStopping = true;
    if (!hasEnded) child.kill('SIGKILL');
    await ended.catch(() => {});
  };
  const onAbort = (): void => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  void closed.then(() => signal.removeEventListener('abort', onAbort));
  return {
    name,
    pid: child.pid ?? -1,
    ended,
    fails,
    stop,
    kill,
    signal: (by) => !hasEnded && child.kill(by),
    write: (line) => void child.stdin?.write(`${line}\n`),
    usage: () => usageOfTree(child.pid ?? -1),
    ask: (question) =>
      new Promise((resolve, reject) => {
        lastId += 1;
        if (hasEnded)
          return void ended.then(() => reject(new StormError('STORM_PART_FAILED', `${name} has ended`)), reject);
        waiting.set(lastId, { resolve, reject });
        child.send({ ...question, id: lastId }, (error) => error && reject(error));
      }),
  };
}
