// A node with a façade, as the command line starts it.
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd, startProcess } from '@quarry/storm';
import type { RunningProcess } from '@quarry/storm';
import { freePort } from '../transfer/free-port.ts';

const main = fileURLToPath(new URL('../../packages/daemon/src/main.ts', import.meta.url));

export interface FacadeOptions {
  readonly directory: string;
  readonly glance: string;
  readonly signal: AbortSignal;
}

/** Resolves when the node is ready. Whoever starts it stops it. */
export async function startFacade(options: FacadeOptions): Promise<RunningProcess & { readonly url: string }> {
  const { directory, glance, signal } = options;
  await mkdir(directory, { recursive: true });
  const key = join(directory, 'cluster.key');
  const quarry = [process.execPath, '--conditions=source', main];
  await runToEnd([...quarry, 'key', key], { signal });
  const listen = `127.0.0.1:${await freePort()}`;
  const ready = new AbortController();
  const node = startProcess(
    'the node',
    [
      ...quarry,
      'node',
      '--json',
      `--data=${directory}`,
      `--cluster-key-file=${key}`,
      '--listen=/ip4/127.0.0.1/tcp/0',
      `--gateway=${listen}`,
      `--glance=${glance}`,
      '--encoding=off',
      '--log-level=warn',
    ],
    { signal, onLine: () => ready.abort() },
  );
  await Promise.race([once(ready.signal, 'abort'), node.ended]);
  return { ...node, url: `http://${listen}` };
}
