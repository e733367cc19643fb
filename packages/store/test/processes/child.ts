import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Child {
  readonly process: ChildProcess;
  /** Lines of standard output as they come; ends with the process. */
  readonly lines: AsyncIterable<string>;
  /** Resolves when it is gone and its output has been read. */
  readonly closed: Promise<{ readonly code: number | null; readonly errors: string }>;
}

/** Runs a file beside this one on the same Node, our sources as they are; `through` is a command to run it under. */
export function startChild(file: string, args: readonly string[], through: readonly string[] = []): Child {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const [command = process.execPath, ...rest] = [...through, process.execPath, '--conditions=source', script, ...args];
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const closed = new Promise<{ code: number | null; errors: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, errors }));
  });
  closed.catch(() => {}); // who does not wait for it learns from the lines
  return { process: child, lines: createInterface({ input: child.stdout }), closed };
}
