import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Sample } from './bench.ts';

/**
 * `cp`, as anybody would use it; with `isDurable`, and `sync` of the copy. The shell says how much CPU both took.
 *
 * The file is copied once before, and the copy removed, outside the measured time, as our process does too: a virtual machine gets its memory from the
 * host page by page, and whoever comes first pays for that: 2.7 s for 1 GiB were measured, where copying took 0.4 s.
 */
export async function runCp(
  from: string,
  to: string,
  options: { readonly isDurable: boolean; readonly signal: AbortSignal },
): Promise<Sample> {
  const script = `cp -- "$1" "$2" && rm -- "$2"; TIMEFORMAT='%R %U %S'; time { cp -- "$1" "$2"${options.isDurable ? ' && sync -- "$2"' : ''}; }`;
  const { stderr } = await runToEnd('bash', ['-c', script, 'bash', from, to], options.signal);
  const [seconds, user, system] = stderr.trim().split(/\s+/).map(Number);
  if (seconds === undefined || user === undefined || system === undefined) throw new Error(`cp said: ${stderr}`);
  return { seconds, cpuSeconds: user + system };
}

/** One run of ours in a process of its own: a cold start each time, and its peak memory is its own. */
export async function runOurs(order: object, signal: AbortSignal): Promise<Sample> {
  const script = fileURLToPath(new URL('./image-process.ts', import.meta.url));
  const { stdout } = await runToEnd(process.execPath, ['--conditions=source', script, JSON.stringify(order)], signal);
  return JSON.parse(stdout) as Sample;
}

/** @throws unless the exit code is one of `fine` */
export function runToEnd(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  fine: readonly number[] = [0],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== null && fine.includes(code)) resolve({ stdout, stderr });
      else reject(new Error(`${command} ended with ${code}: ${stderr}`));
    });
  });
}
