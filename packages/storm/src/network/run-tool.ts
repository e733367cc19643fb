import { spawn } from 'node:child_process';
import { StormError } from '../storm-error.ts';

export interface ToolOrder {
  /** What it reads on standard input: a batch. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/** Runs one of the system's tools and resolves with its output. @throws StormError STORM_PART_FAILED with the tool's own words; the signal’s reason */
export function runTool(command: string, args: readonly string[], { input, signal }: ToolOrder = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], signal });
    let output = '';
    let words = '';
    child.stdout?.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr?.on('data', (data: Buffer) => (words += data.toString()));
    // An abort says so at once, but the tool may still be at work: only its end counts, so that nothing is made behind the back of who cleans up.
    child.on('error', (error) => {
      if (child.pid === undefined) reject(error);
    });
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else if (signal?.aborted) reject(signal.reason);
      else {
        const what = [command, ...args].join(' ');
        reject(new StormError('STORM_PART_FAILED', `${what} ended with ${code}: ${words.trim()}`));
      }
    });
    // A tool that stops at a bad line closes its input: its exit says so.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** Two cores: more at a time only waits for the kernel's lock on network configuration. */
const AT_A_TIME = 4;

/** Few at a time. After a failure none is begun any more; rejects with the first when those under way have ended. */
export async function forEachFew<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (const item of left) {
      if (failure) return;
      await work(item).catch((error: unknown) => (failure ??= { error }));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  if (failure) throw failure.error;
}
