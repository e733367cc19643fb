import { fileURLToPath } from 'node:url';
import { runToEnd, usageOfTree } from '@quarry/storm';
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
  const command = ['bash', '-c', script, 'bash', ...args];
  const onStart = (pid: number): void => {
    const look = (): void => {
      void usageOfTree(pid).then((usage) => (peakRssMiB = Math.max(peakRssMiB, usage.peakRssMiB)));
    };
    looking = setInterval(look, LOOK_MS);
  };
  try {
    const { stderr } = await runToEnd(command, { signal, prefix, onStart });
    const [seconds, user, system] = (stderr.trim().split('\n').at(-1) ?? '').split(/\s+/).map(Number);
    if (seconds === undefined || user === undefined || system === undefined) throw new Error(`${work}: ${stderr}`);
    return { seconds, cpuSeconds: user + system, ...(peakRssMiB > 0 && { peakRssMiB }) };
  } finally {
    clearInterval(looking);
  }
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
  const { stdout } = await runToEnd([process.execPath, ...args], { signal });
  return JSON.parse(stdout) as T;
}
