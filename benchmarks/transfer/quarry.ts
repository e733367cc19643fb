// Ours, as the daemon composes it: senders that hold the image in their stores, and a receiver that does not.
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { runToEnd, startProcess } from '@quarry/storm';
import type { RunningProcess } from '@quarry/storm';
import { daemonEnvironment, daemonFlags, makeBundle } from '../../tools/bundle.ts';
import type { Contestant, Sample } from '../bench.ts';
import { runOurs } from '../processes.ts';
import type { Link } from './link.ts';
import type { FetchAnswer, FetchOrder, NodeOrder, NodeUsage } from './node-process.ts';
import type { SeedAnswer, SeedOrder } from './seed-process.ts';

/** By key of the daemon’s configuration. */
export type Settings = Readonly<Record<string, unknown>>;

/** A store that holds the images, to be copied for each sender. */
export interface SeededStore {
  readonly directory: string;
  /** Peer id of who published them. */
  readonly publisher: string;
}

export interface QuarryOptions {
  /** What `bundleNode` made. */
  readonly node: readonly string[];
  /** Name of the image, one of those that were seeded. */
  readonly image: string;
  /** Fetched before, by the same processes: daemons run for weeks, so neither is measured with its code not yet compiled. */
  readonly warmUpImage: string;
  readonly seeded: SeededStore;
  readonly link: Link;
  readonly senders: number;
  /** Settings of the daemons, of senders and receiver alike. */
  readonly settings: Settings;
  readonly isDurable: boolean;
  /** Called with the image that was rebuilt, if it is to be rebuilt. */
  readonly check: ((path: string) => Promise<void>) | undefined;
  /** Called before the measured part, as for every contestant. */
  readonly prepare: () => Promise<void>;
  readonly directory: string;
  readonly signal: AbortSignal;
}

/**
 * A node in the form that hosts run: bundled, with the flags and the environment of the units. In a directory of this run's own: what runs from a bundle must not have
 * another put in its place. Returns the command.
 */
export async function bundleNode(directory: string): Promise<readonly string[]> {
  const bundle = join(directory, 'dist');
  await makeBundle(bundle, { 'node-process': 'benchmarks/transfer/node-process.ts' });
  // beside it, as on a host: native add-ons are looked for there
  await symlink(resolve(import.meta.dirname, '../../node_modules'), join(directory, 'node_modules'));
  return [process.execPath, ...daemonFlags, join(bundle, 'lib', 'node-process.js')];
}

function startNode(
  name: string,
  node: readonly string[],
  order: NodeOrder,
  options: {
    readonly signal: AbortSignal;
    readonly prefix?: readonly string[];
    readonly onEvent?: (event: Record<string, unknown>) => void;
  },
): RunningProcess {
  return startProcess(name, [...node, JSON.stringify(order)], { ...options, env: daemonEnvironment, hasIpc: true });
}

/** Ingests image files in a process that ends then. */
export async function seedStore(order: SeedOrder, signal: AbortSignal): Promise<SeededStore> {
  const { publisher } = await runOurs<SeedAnswer>(order, signal, './transfer/seed-process.ts');
  return { directory: order.dataDirectory, publisher };
}

export function quarry(name: string, options: QuarryOptions): Contestant {
  return { name, run: () => runQuarry(options) };
}

async function runQuarry(options: QuarryOptions): Promise<Sample> {
  const root = join(options.directory, 'quarry');
  // A unix socket's path has 107 bytes at most, and nobody knows how long that of the chosen directory is.
  const sockets = await mkdtemp('/tmp/qb-');
  const nodes: RunningProcess[] = [];
  try {
    await mkdir(root);
    return await measure(options, { root, sockets }, nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(root, { recursive: true, force: true });
    await rm(sockets, { recursive: true, force: true });
  }
}

async function measure(
  options: QuarryOptions,
  { root, sockets }: { readonly root: string; readonly sockets: string },
  nodes: RunningProcess[],
): Promise<Sample> {
  const { node, image, warmUpImage, seeded, link: wire, signal, isDurable, check } = options;
  const clusterKeyFile = join(root, 'cluster.key');
  // Loaded only here: with it come libp2p and its kin, for which no other benchmark should wait.
  const { writeClusterKey } = await import('../../packages/daemon/src/compose.ts');
  await writeClusterKey(clusterKeyFile);
  const common = {
    ...options.settings,
    'network.listen': [`/ip4/${wire.host}/tcp/0`],
    'network.clusterKeyFile': clusterKeyFile,
    'trust.publishers': [seeded.publisher],
  };
  const senders: RunningProcess[] = [];
  const bootstrap: string[] = [];
  for (let i = 0; i < options.senders; i += 1) {
    const dataDirectory = join(root, `sender-${i}`);
    await copyStore(join(seeded.directory, 'store'), join(dataDirectory, 'store'), signal);
    const own = { 'network.bootstrap': bootstrap, 'control.socket': join(sockets, `sender-${i}`) };
    const order: NodeOrder = { dataDirectory, settings: { ...common, ...own } };
    const sender = startNode(`sender ${i + 1}`, node, order, { signal, prefix: wire.senderPrefix });
    nodes.push(sender);
    senders.push(sender);
    const { addresses } = await sender.ask({ do: 'start' });
    bootstrap.push(...(addresses as string[]).slice(0, 1));
  }
  const usages = (): Promise<readonly NodeUsage[]> =>
    Promise.all(senders.map(async (sender) => (await sender.ask({ do: 'usage' })) as unknown as NodeUsage));
  let sendersAfter: Promise<readonly NodeUsage[]> | undefined;
  const receiver = startNode(
    'the receiver',
    node,
    {
      dataDirectory: join(root, 'receiver'),
      settings: {
        ...common,
        'network.listen': [],
        'network.bootstrap': bootstrap,
        'control.socket': join(sockets, 'receiver'),
      },
    },
    {
      signal,
      prefix: wire.receiverPrefix,
      onEvent: () => {
        sendersAfter = usages();
        sendersAfter.catch(() => {}); // told to who waits for it
      },
    },
  );
  nodes.push(receiver);
  await receiver.ask({ do: 'start' });
  await receiver.ask({ do: 'meet', peers: senders.length });
  const fetch = async (order: FetchOrder): Promise<FetchAnswer> =>
    (await receiver.ask({ do: 'fetch', ...order })) as unknown as FetchAnswer;
  await fetch({ image: warmUpImage, destination: join(root, warmUpImage), isDurable: false, rebuilds: true });
  await options.prepare();

  const destination = join(root, image);
  const sendersBefore = await usages();
  const receiverBefore = (await receiver.ask({ do: 'usage' })) as unknown as NodeUsage;
  const sentBefore = await wire.sentBytes();
  const { fetched, rebuilt } = await fetch({ image, destination, isDurable, rebuilds: check !== undefined });
  const sentAfter = await wire.sentBytes();
  const after = await (sendersAfter ?? usages());
  if (check) await check(destination);
  const sum = (of: readonly NodeUsage[]): number => of.reduce((total, { cpuSeconds }) => total + cpuSeconds, 0);
  const sender = {
    senderCpuSeconds: sum(after) - sum(sendersBefore),
    senderPeakRssMiB: Math.max(...after.map(({ peakRssMiB }) => peakRssMiB)),
  };
  const sampled = ({ seconds, cpuSeconds, peakRssMiB }: FetchAnswer['fetched']): Sample => ({
    seconds,
    cpuSeconds: cpuSeconds - receiverBefore.cpuSeconds,
    peakRssMiB,
    ...sender,
  });
  return {
    ...sampled(fetched),
    ...(sentBefore !== undefined && sentAfter !== undefined && { wireBytes: sentAfter - sentBefore }),
    ...(rebuilt && { further: { ', and rebuilt': sampled(rebuilt) } }),
  };
}

/** Packs are never written again once they are whole: links will do, so that nothing waits to be written back when the clock starts. The index is copied. */
async function copyStore(from: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await runToEnd(['cp', '-al', '--', from, to], { signal });
  await rm(join(to, 'index'), { recursive: true });
  await runToEnd(['cp', '-a', '--', join(from, 'index'), join(to, 'index')], { signal });
}
