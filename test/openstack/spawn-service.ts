import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { serviceEnvironment } from '../../packages/storm/src/glance/real/service-environment.ts';

/** One of OpenStack's services as a process of its own. */
export interface ServiceProcess {
  readonly pid: number;
  /** Stops the process where it stands (SIGSTOP): connections are still accepted by the kernel, and then nothing comes. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends it at once (SIGKILL), also while paused. */
  stop(): Promise<void>;
}

export interface Service {
  readonly command: string;
  readonly args: readonly string[];
  /** Working and home directory. */
  readonly dir: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** What it says in its log as soon as it accepts connections. */
  readonly readyWords: string;
  readonly logFile: string;
  readonly signal?: AbortSignal | undefined;
}

/** Starts a service and resolves when it says that it is ready. */
export async function spawnService(service: Service): Promise<ServiceProcess> {
  const { command, args, dir, environment, readyWords, logFile, signal } = service;
  signal?.throwIfAborted();
  // setpriv: if this process is killed, the service is too.
  const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    cwd: dir,
    env: { ...serviceEnvironment(dir), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    // An orderly end takes seconds, and nobody reads what it would leave; SIGKILL also ends one that is paused.
    child.kill('SIGKILL');
    await exited;
  };
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stderr.pipe(log, { end: false });
  child.stdout.pipe(log, { end: false });
  void exited.then(() => log.end());

  const ready = new Promise<void>((resolve, reject) => {
    let tail = '';
    const look = (text: Buffer): void => {
      tail = (tail + text.toString()).slice(-4000);
      if (tail.includes(readyWords)) resolve();
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('error', reject);
    void exited.then(() => reject(new Error(`${command} ended before it was ready. The end of its log:\n${tail}`)));
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    await ready;
  } catch (error) {
    if (child.pid !== undefined) await stop();
    throw error;
  }
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${command} started without a pid`);
  return {
    pid,
    stop,
    async pause() {
      child.kill('SIGSTOP');
      // The signal is on its way only; without this the service can answer one more request.
      while (stateOf(pid) !== 'T') await setImmediate();
    },
    resume: () => void child.kill('SIGCONT'),
  };
}

/** The letter after the command's name in parentheses: proc(5), /proc/[pid]/stat. */
function stateOf(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
}
