import { findCommand } from '../process/find-command.ts';
import { runToEnd } from '../process/run-to-end.ts';
import type { Waiting } from '../storm-network.ts';

/** A Python that has libtorrent. Debian's package is for Debian's Python, which need not be the first in PATH. */
export async function findLibtorrentPython({ signal }: Waiting): Promise<string | undefined> {
  for (const python of ['/usr/bin/python3', findCommand('python3')]) {
    if (python === undefined) continue;
    const isThere = await runToEnd([python, '-c', 'import libtorrent'], { signal }).then(
      () => true,
      () => false,
    );
    signal.throwIfAborted();
    if (isThere) return python;
  }
  return undefined;
}
