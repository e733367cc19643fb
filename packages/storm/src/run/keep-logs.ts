import { cp, mkdir, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

const LOG = /\.(?:log|jsonl)$/;

/** Copies every log below `from` to the same place below `to`. */
export async function keepLogs(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !LOG.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    // LevelDB's own are of no use to anybody
    if (/^\d+\.log$/.test(entry.name)) continue;
    const target = join(to, relative(from, path));
    await mkdir(dirname(target), { recursive: true });
    await cp(path, target);
  }
}
