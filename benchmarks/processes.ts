import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sample } from './bench.ts';

/**
 * `cp`, as anybody would use it; with `isDurable`, and `sync` of the copy.
 *
 * The file is copied once before, and the copy removed, outside the measured time, as our process does too: a virtual machine gets its memory from the
 * host page by page, and whoever comes first pays for that: 2.7 s for 1 GiB were measured, where copying took 0.4 s.
 */
export async function runCp(
  from: string,
  to: string,
  options: { readonly isDurable: boolean; readonly signal: AbortSignal },
): Promise<Sample> {
  const before = 'cp -- "$1" "$2" && rm -- "$2"';
  const work = `cp -- "$1" "$2"${options.isDurable ? ' && sync -- "$2"' : ''}`;
  return await runTimed(work, [from, to], { before, signal: options.signal });
}

/** How often the memory of a command is looked at: it only grows, so the last look is nearly the peak. */
const LOOK_MS = 20;

/**
 * A line of shell with arguments, timed by the shell, which also says how much CPU all that it started took. `before` runs first and is not measured.
 * `prefix` is put before the shell, as in `ip netns exec NAME`.
 */
export async function runTimed(
  work: string,
  args: readonly string[],
  {
    before = ':',
    prefix = [],
    signal,
  }: { readonly before?: string; readonly prefix?: readonly string[]; readonly signal: AbortSignal },
): Promise<Sample> {
  const script = `{ ${before}; } >/dev/null || exit; TIMEFORMAT='%R %U %S'; time { ${work}; }`;
  let peakRssMiB = 0;
  let looking: NodeJS.Timeout | undefined;
  const [command = '', ...rest] = [...prefix, 'bash', '-c', script, 'bash', ...args];
  const onStart = (pid: number): void => {
    const look = (): void => {
      void usageOfTree(pid).then((usage) => (peakRssMiB = Math.max(peakRssMiB, usage.peakRssMiB)));
    };
    looking = setInterval(look, LOOK_MS);
  };
  try {
    const { stderr } = await runToEnd(command, rest, signal, [0], onStart);
    const [seconds, user, system] = (stderr.trim().split('\n').at(-1) ?? '').split(/\s+/).map(Number);
    if (seconds === undefined || user === undefined || system === undefined) throw new Error(`${work}: ${stderr}`);
    return { seconds, cpuSeconds: user + system, ...(peakRssMiB > 0 && { peakRssMiB }) };
  } finally {
    clearInterval(looking);
  }
}

export interface Usage {
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

/** USER_HZ: what proc(5) counts time in on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time of a process and all its descendants that still live, and the memory of the largest of them, from /proc: in steps of 10 ms. */
export async function usageOfTree(pid: number): Promise<Usage> {
  const [stat, status, threads] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''),
    readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''),
    readdir(`/proc/${pid}/task`).catch(() => []),
  ]);
  // the name in parentheses may hold spaces; utime and stime are the 14th and 15th field of all
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = {
    cpuSeconds: (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND,
    peakRssMiB: Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024,
  };
  const children = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  const pids = children.join(' ').split(/\s+/).filter(Boolean).map(Number);
  const usages = await Promise.all(pids.map((child) => usageOfTree(child)));
  return usages.reduce(
    (sum, usage) => ({
      cpuSeconds: sum.cpuSeconds + usage.cpuSeconds,
      peakRssMiB: Math.max(sum.peakRssMiB, usage.peakRssMiB),
    }),
    own,
  );
}

/** One run of ours in a process of its own: a cold start each time, and its peak memory is its own. */
export async function runOurs<T = Sample>(
  order: object,
  signal: AbortSignal,
  script = './image/image-process.ts',
  flags: readonly string[] = [],
): Promise<T> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const args = ['--conditions=source', ...flags, path, JSON.stringify(order)];
  const { stdout } = await runToEnd(process.execPath, args, signal);
  return JSON.parse(stdout) as T;
}

/** @throws unless the exit code is one of `fine`; the signal’s reason */
export function runToEnd(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  fine: readonly number[] = [0],
  onStart: (pid: number) => void = () => {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    if (child.pid !== undefined) onStart(child.pid);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== null && fine.includes(code)) resolve({ stdout, stderr });
      else reject(signal.aborted ? signal.reason : new Error(`${command} ended with ${code}: ${stderr}`));
    });
  });
}

/** Where a command lies, in PATH or where Debian keeps those for root. */
export function findCommand(name: string): string | undefined {
  for (const directory of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return undefined;
}
