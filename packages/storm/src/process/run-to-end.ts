import { spawn } from 'node:child_process';
import { StormError } from '../storm-error.ts';

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Exit codes that are no failure; 0 by default. */
  readonly fine?: readonly number[];
  /** Put before the command, as in `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  readonly onStart?: (pid: number) => void;
}

/**
 * Runs a command until it ends by itself; SIGKILL with the signal. Its standard input is empty.
 * @throws StormError STORM_PART_FAILED with its last words, unless its exit code is fine; the signal’s reason
 */
export function runToEnd(
  command: readonly string[],
  { signal, fine = [0], prefix = [], onStart = () => {} }: RunOptions,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const [file = '', ...args] = [...prefix, ...command];
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    let failure: Error | undefined;
    child.on('error', (error) => (failure = error));
    child.on('close', (code, byWhat) => {
      if (code !== null && fine.includes(code)) return resolve({ stdout, stderr });
      const how = failure === undefined ? `ended with ${code ?? byWhat}` : `failed (${failure.message})`;
      const words = stderr.trim() || stdout.trim().slice(-2000) || 'it said nothing';
      reject(signal.aborted ? signal.reason : new StormError('STORM_PART_FAILED', `${command[0]} ${how}: ${words}`));
    });
    if (child.pid !== undefined) onStart(child.pid);
  });
}
