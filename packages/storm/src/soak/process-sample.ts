import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What a process takes at a moment. */
export interface ProcessSample {
  readonly rssMiB: number;
  readonly pssMiB: number;
  readonly openFiles: number;
  readonly sockets: number;
  readonly threads: number;
}

/** Undefined for a process that is gone, or goes while it is looked at. */
export async function sampleProcess(pid: number): Promise<ProcessSample | undefined> {
  try {
    const [memory, status, files] = await Promise.all([
      readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
      readdir(`/proc/${pid}/fd`),
    ]);
    const links = await Promise.all(files.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
    return {
      rssMiB: field(memory, 'Rss') / 1024,
      pssMiB: field(memory, 'Pss') / 1024,
      openFiles: files.length,
      sockets: links.filter((link) => link.startsWith('socket:')).length,
      threads: field(status, 'Threads'),
    };
  } catch {
    return undefined;
  }
}

/** What a daemon's data takes on the disk, in MiB of blocks; its logs are the harness's. */
export async function diskMiBOf(directory: string): Promise<number> {
  let blocks = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.(log|jsonl)$/.test(entry.name)) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined); // removed meanwhile
    blocks += found?.blocks ?? 0;
  }
  return (blocks * 512) / 2 ** 20;
}

function field(text: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1];
  if (value === undefined) throw new TypeError(`the kernel tells no ${name}`);
  return Number(value);
}
