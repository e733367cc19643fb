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
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else if (signal?.aborted) reject(signal.reason);
      else
        reject(
          new StormError('STORM_PART_FAILED', `${[command, ...args].join(' ')} ended with ${code}: ${words.trim()}`),
        );
    });
    // A tool that stops at a bad line closes its input: its exit says so.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** Two cores: more at a time only waits for the kernel's lock on network configuration. */
const AT_A_TIME = 4;

/** One after the other, few at a time; the first failure ends it. */
export async function forEachFew<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      for (const item of left) await work(item);
    }),
  );
}
