import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@quarry/runtime';
import { createControlClient } from '../../../packages/daemon/src/control/control-client.ts';
import type { ControlClient } from '../../../packages/daemon/src/control/control-client.ts';
import { flagWords, startChild } from '../../../packages/daemon/src/demo/child.ts';
import type { Child } from '../../../packages/daemon/src/demo/child.ts';

/** Real daemons as processes of their own, on loopback, in a directory that goes with them. */
export interface Cluster {
  readonly root: string;
  readonly keyFile: string;
  startSeeder(what: readonly string[], flags?: readonly string[]): Promise<Member>;
  startNode(name: string, flags?: readonly string[]): Promise<Member>;
  /** Runs one command of the command line to its end. */
  run(...words: string[]): Promise<Outcome>;
  stop(): Promise<void>;
}

export interface Member {
  readonly id: string;
  /** What others give as --bootstrap. */
  readonly address: string;
  readonly client: ControlClient;
  readonly directory: string;
  readonly process: Child;
  /** SIGKILL: nothing is flushed, nobody is told. */
  kill(): Promise<void>;
}

export interface ClusterOptions {
  /** What is run instead of the sources, after flags of Node itself. */
  readonly command?: readonly string[];
  /** Where its directory is made; the system's temporary one. */
  readonly directory?: string;
}

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export const mainScript: string = fileURLToPath(new URL('../../../packages/daemon/src/main.ts', import.meta.url));
const WITHIN_MS = 60_000;

export async function createCluster({
  command = [mainScript],
  directory = tmpdir(),
}: ClusterOptions = {}): Promise<Cluster> {
  const [script = mainScript, ...leading] = command;
  const root = await mkdtemp(join(directory, 'quarry-it-'));
  const keyFile = join(root, 'cluster.key');
  const children = new Set<Child>();
  const signal = new AbortController().signal;
  const run: Cluster['run'] = (...words) => runQuarry([...leading, ...words], { script });
  const made = await run('key', keyFile);
  if (made.code !== 0) throw new Error(`no cluster key: ${made.err}`);

  const start = async (name: string, words: readonly string[], flags: readonly string[]): Promise<Member> => {
    const directory = join(root, name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const common = flagWords({
      json: true,
      data: directory,
      'cluster-key-file': keyFile,
      'log-level': 'warn',
      listen: '/ip4/127.0.0.1/tcp/0',
    });
    const child = startChild(systemClock, name, script, [...leading, ...words, ...common, ...flags]);
    children.add(child);
    const ready = await child.said('nodeId', { signal, withinMs: WITHIN_MS });
    return {
      id: String(ready.nodeId),
      address: String((ready.addresses as string[])[0]),
      client: createControlClient(String(ready.socket)),
      directory,
      process: child,
      async kill() {
        process.kill(child.pid, 'SIGKILL');
        await child.ended;
        children.delete(child);
      },
    };
  };
  return {
    root,
    keyFile,
    async startSeeder(what, flags = []) {
      const seeder = await start('seeder', ['seed', ...what], flags);
      const { failures } = await seeder.process.said('images', { signal, withinMs: WITHIN_MS });
      if (Array.isArray(failures) && failures.length > 0)
        throw new Error(`seeding failed: ${JSON.stringify(failures)}`);
      return seeder;
    },
    startNode: (name, flags = []) => start(name, ['node'], flags),
    run,
    async stop() {
      await Promise.all([...children].map((child) => child.stop()));
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** The command line in a process of its own, as a user types it. */
export async function runQuarry(
  words: readonly string[],
  { script = mainScript, ...options }: { readonly cwd?: string; readonly script?: string } = {},
): Promise<Outcome> {
  const { spawn } = await import('node:child_process');
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--disable-warning=ExperimentalWarning', script, ...words],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    },
  );
  const read = async (stream: AsyncIterable<Buffer>): Promise<string> => {
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part);
    return Buffer.concat(parts).toString();
  };
  const code = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const [out, err] = await Promise.all([read(child.stdout), read(child.stderr)]);
  return { code: await code, out, err };
}
