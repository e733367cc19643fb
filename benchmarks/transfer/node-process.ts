// One node, composed as the daemon composes it, told by the JSON in the first argument what it is and over IPC what to do.
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import type { LogFields, Logger } from '@quarry/runtime';
import { startDaemon } from '../../packages/daemon/src/compose.ts';
import { loadConfig } from '../../packages/daemon/src/config/load-config.ts';
import type { Daemon } from '../../packages/daemon/src/daemon.ts';

export interface NodeOrder {
  readonly dataDirectory: string;
  /** Beyond the defaults, by key of the configuration. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export type NodeQuestion = { readonly id: number } & (
  | { readonly do: 'start' }
  /** Answers when so many members are connected. */
  | { readonly do: 'meet'; readonly peers: number }
  | { readonly do: 'usage' }
  | ({ readonly do: 'fetch' } & FetchOrder)
);

export interface FetchOrder {
  readonly image: string;
  readonly destination: string;
  /** Without rebuilding the image, but with everything in the store on the disk when it answers. */
  readonly isDurable: boolean;
  /** Or else it ends when all is in the store. */
  readonly rebuilds: boolean;
}

export interface NodeUsage {
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

/** Until all was in the store (and on the disk, where that was ordered), and until the image was rebuilt from there. */
export interface FetchAnswer {
  readonly fetched: NodeUsage & { readonly seconds: number };
  readonly rebuilt: (NodeUsage & { readonly seconds: number }) | undefined;
}

const MEET_MS = 20;
const MEET_WITHIN_MS = 30_000;
const order = JSON.parse(process.argv[2] ?? '') as NodeOrder;
let daemon: Daemon | undefined;

/** Warnings belong to the last words of a process that fails. */
function createStderrLogger(): Logger {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      console.error(level, message, fields);
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  };
  return logger;
}

function usage(): NodeUsage {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, peakRssMiB: process.resourceUsage().maxRSS / 1024 };
}

async function start(): Promise<Daemon> {
  const config = loadConfig({ flags: { 'node.dataDirectory': order.dataDirectory, ...order.settings } });
  return await startDaemon(config, { role: 'node', logger: createStderrLogger() });
}

async function meet(node: Daemon, peers: number): Promise<void> {
  const untilMs = systemClock.now() + MEET_WITHIN_MS;
  while ((await node.status()).peers < peers) {
    if (systemClock.now() > untilMs) throw new Error(`met ${(await node.status()).peers} of ${peers} peers`);
    await systemClock.sleep(MEET_MS);
  }
}

/** What `sync FILE…` does for every file of a directory. */
async function syncAll(directory: string): Promise<void> {
  for (const name of await readdir(directory, { recursive: true })) {
    const path = join(directory, name);
    if (!(await stat(path)).isFile()) continue;
    const file = await open(path, 'r+');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

/**
 * The daemon fetches and then rebuilds; where one ends and the other begins, its progress tells: the first step of a rebuild is 1 MiB, which is
 * all that the fetch is charged with too much.
 */
async function fetch(node: Daemon, { image, destination, isDurable, rebuilds }: FetchOrder): Promise<FetchAnswer> {
  const stop = new AbortController();
  const startMs = systemClock.now();
  const now = (): FetchAnswer['fetched'] => ({ seconds: (systemClock.now() - startMs) / 1000, ...usage() });
  let fetched: FetchAnswer['fetched'] | undefined;
  const onProgress = ({ step }: { readonly step: string }): void => {
    if (step !== 'rebuilding' || fetched) return;
    fetched = now();
    process.send?.({ event: 'fetched' });
    if (!rebuilds) stop.abort(new Error('fetched'));
  };
  try {
    await node.fetch({ image, destination }, { onProgress, signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  if (!fetched) throw new Error('the daemon said nothing of rebuilding');
  if (!isDurable) return { fetched, rebuilt: rebuilds ? now() : undefined };
  const beforeSync = now();
  await syncAll(join(order.dataDirectory, 'store'));
  const synced = now();
  return {
    fetched: {
      seconds: fetched.seconds + synced.seconds - beforeSync.seconds,
      cpuSeconds: fetched.cpuSeconds + synced.cpuSeconds - beforeSync.cpuSeconds,
      peakRssMiB: synced.peakRssMiB,
    },
    rebuilt: undefined,
  };
}

async function answer(question: NodeQuestion): Promise<object> {
  daemon ??= await start();
  switch (question.do) {
    case 'start':
      return { nodeId: daemon.nodeId, addresses: daemon.addresses() };
    case 'meet':
      await meet(daemon, question.peers);
      return {};
    case 'usage':
      return usage();
    case 'fetch':
      return await fetch(daemon, question);
  }
}

let isLeaving = false;
const leave = (): void => {
  if (isLeaving) return;
  isLeaving = true;
  void Promise.resolve(daemon?.close()).finally(() => process.exit());
};
process.on('message', (question: NodeQuestion) => {
  answer(question).then(
    (found) => process.send?.({ ...found, id: question.id }),
    (error: unknown) =>
      process.send?.({ id: question.id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('SIGTERM', leave);
// The terminal's Ctrl-C reaches everybody; who started us decides when we end.
process.on('SIGINT', () => {});
process.on('disconnect', leave);
