import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

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
