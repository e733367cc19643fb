import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { glanceEnvironment } from './glance-environment.ts';
import type { GlanceLayout } from './glance-config.ts';

export interface GlanceProcess {
  readonly pid: number;
  /** Stops the process where it stands (SIGSTOP): connections are still accepted by the kernel, and then nothing comes. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends it, also while paused. */
  stop(): Promise<void>;
}

/** Starts glance-api and resolves when it accepts connections, which it says in its log. */
export async function spawnGlance(dir: string, layout: GlanceLayout, signal?: AbortSignal): Promise<GlanceProcess> {
  signal?.throwIfAborted();
  // setpriv: if this process is killed, Glance is too. The eventlet server, because Debian's Glance is broken under uwsgi.
  const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '/usr/bin/glance-api', ...layout.configArguments], {
    cwd: dir,
    env: glanceEnvironment(dir),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    // Glance has no orderly end of its own: its one process does not catch SIGTERM. SIGKILL also ends one that is paused.
    child.kill('SIGKILL');
    await exited;
  };
  const log = createWriteStream(layout.logFile, { flags: 'a' });
  child.stderr.pipe(log, { end: false });
  child.stdout.pipe(log, { end: false });
  void exited.then(() => log.end());

  const ready = new Promise<void>((resolve, reject) => {
    let tail = '';
    const look = (text: Buffer): void => {
      tail = (tail + text.toString()).slice(-4000);
      if (tail.includes('wsgi starting up on')) resolve();
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('error', reject);
    void exited.then(() => reject(new Error(`glance-api ended before it was ready. The end of its log:\n${tail}`)));
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    await ready;
  } catch (error) {
    if (child.pid !== undefined) await stop();
    throw error;
  }
  const pid = child.pid;
  if (pid === undefined) throw new Error('glance-api started without a pid');
  return {
    pid,
    stop,
    async pause() {
      child.kill('SIGSTOP');
      // The signal is on its way only; without this Glance can answer one more request.
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
