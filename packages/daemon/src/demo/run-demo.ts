import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatBytes } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import { writeClusterKey } from '../compose.ts';
import { createControlClient } from '../control/control-client.ts';
import type { ControlClient } from '../control/control-client.ts';
import { addSources } from '../daemon.ts';
import type { FetchImageReport, Progress } from '../daemon.ts';
import { flagWords, startChild } from './child.ts';
import type { Child } from './child.ts';
import { countWrongBytes } from './compare-files.ts';
import { DemoError } from './demo-error.ts';
import type { DemoReport } from './demo-report.ts';
import { makeImages } from './make-images.ts';
import type { MadeImage } from './make-images.ts';
import { processUsage } from './process-usage.ts';
import { countUniqueBytes } from './unique-bytes.ts';

export interface DemoDeps {
  readonly clock: Clock;
  readonly note: (line: string) => void;
  readonly progress: (progress: Progress) => void;
}

export interface DemoOptions {
  readonly nodes: number;
  readonly baseBytes: number;
  readonly linkBytesPerSecond: number;
  readonly seed: number;
  /** Where to work and leave everything; undefined: a temporary directory that is removed. */
  readonly directory?: string;
  readonly signal: AbortSignal;
}

interface Stage extends DemoDeps, DemoOptions {
  readonly root: string;
  readonly images: readonly MadeImage[];
  readonly start: (name: string, script: string, args: readonly string[]) => Child;
}

interface Storm {
  readonly makespanMs: number;
  readonly hostMs: readonly number[];
  readonly originBytes: number;
  /** Of all hosts and the seeder, from before the first byte until the last image stands. */
  readonly cpuSeconds: number;
  /** Of the largest host. */
  readonly peakRssBytes: number;
}

const START_WITHIN_MS = 60_000;
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/**
 * The main job, for real: an origin, a seeder and the hosts are processes of their own; whatever leaves the store's side, from origin or
 * seeder, passes one relay that holds the rate and counts the bytes. First every host reads its snapshot from the origin, then the same
 * through Quarry, cold. Rejects with DemoError; leaves no process, and no file unless `directory` is given (then logs and statuses too).
 */
export async function runDemo(deps: DemoDeps, options: DemoOptions): Promise<DemoReport> {
  const root = options.directory ?? (await mkdtemp(join(tmpdir(), 'quarry-demo-')));
  await mkdir(root, { recursive: true });
  if ((await readdir(root)).length > 0) {
    throw new DemoError('DEMO_DIRECTORY_EXISTS', `${root} is not empty; name a new directory, or remove what is in it`);
  }
  const children: Child[] = [];
  const start: Stage['start'] = (name, path, args) => {
    const logFile = options.directory === undefined ? undefined : join(root, `${name.replaceAll(' ', '-')}.log`);
    const child = startChild(deps.clock, name, path, args, logFile);
    children.push(child);
    return child;
  };
  try {
    deps.note(
      `making a base image of ${formatBytes(options.baseBytes)} and ${options.nodes} different snapshots of it`,
    );
    const made = await makeImages({
      dir: join(root, 'store'),
      seed: options.seed,
      baseBytes: options.baseBytes,
      snapshots: options.nodes,
      signal: options.signal,
      onProgress: (progress) => deps.progress({ step: 'making images', ...progress }),
    });
    const images = made.slice(1);
    const uniqueBytes = await countUniqueBytes(
      images.map((image) => image.path),
      options,
    );
    const stage: Stage = { ...deps, ...options, root, images, start };
    const link = await startLink(stage);
    deps.note(`unshelving ${images.length} snapshots at once, straight from the origin`);
    const direct = await stormDirect(stage, link);
    deps.note('unshelving them again, through Quarry');
    const { storm, reports } = await stormThroughQuarry(stage, link);
    deps.note('comparing every image with its source, byte by byte');
    const wrong = await Promise.all(
      images.map((image, i) => countWrongBytes(image.path, join(root, `host-${i + 1}`, image.name), options)),
    );
    return reportOf(stage, uniqueBytes, direct, storm, reports, wrong);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    if (options.directory === undefined) await rm(root, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface Link {
  /** Where hosts reach the origin and the seeder: the relay's ports. */
  readonly originPort: number;
  readonly seederPort: number;
  readonly seederBulkPort: number;
  /** Where the seeder really listens. */
  readonly seederTargetPort: number;
  readonly seederBulkTargetPort: number;
  /** Bytes that have left the store's side so far. */
  bytesOut(): Promise<number>;
}

async function startLink(stage: Stage): Promise<Link> {
  const waiting = { signal: stage.signal, withinMs: START_WITHIN_MS };
  const origin = stage.start('the origin', script('./origin-process.ts'), [join(stage.root, 'store')]);
  const originTargetPort = Number((await origin.said('port', waiting)).port);
  const [seederTargetPort, seederBulkTargetPort] = [await freePort(), await freePort()];
  const routes = [originTargetPort, seederTargetPort, seederBulkTargetPort].map((port) => ({
    listen: 0,
    target: { host: '127.0.0.1', port },
  }));
  const relay = stage.start('the link', script('./shaped-link-process.ts'), [
    JSON.stringify({ rateBytesPerSecond: stage.linkBytesPerSecond, routes }),
  ]);
  const { ports } = (await relay.said('ports', waiting)) as { ports: readonly number[] };
  return {
    originPort: ports[0] ?? 0,
    seederPort: ports[1] ?? 0,
    seederBulkPort: ports[2] ?? 0,
    seederTargetPort,
    seederBulkTargetPort,
    async bytesOut() {
      relay.forget('stats');
      relay.tell('stats');
      const { stats } = (await relay.said('stats', waiting)) as {
        stats: { routes: readonly { downstreamBytes: number }[] };
      };
      return stats.routes.reduce((sum, route) => sum + route.downstreamBytes, 0);
    },
  };
}

async function stormDirect(stage: Stage, link: Link): Promise<Storm> {
  const waiting = { signal: stage.signal, withinMs: START_WITHIN_MS };
  await mkdir(join(stage.root, 'direct'), { recursive: true });
  const hosts = stage.images.map((image) =>
    stage.start(`host of ${image.name}`, script('./direct-fetch-process.ts'), [
      `http://127.0.0.1:${link.originPort}/${image.name}`,
      join(stage.root, 'direct', image.name),
    ]),
  );
  await Promise.all(hosts.map((host) => host.said('ready', waiting)));
  const before = await link.bytesOut();
  const usage = await usageSince(hosts);
  const startedMs = stage.clock.now();
  const expectedMs = (imageBytesOf(stage) / stage.linkBytesPerSecond) * 1000;
  const hostMs = await Promise.all(
    hosts.map(async (host) => {
      host.tell('go');
      const { doneMs } = await host.said('doneMs', {
        signal: stage.signal,
        withinMs: 3 * expectedMs + START_WITHIN_MS,
      });
      return Number(doneMs);
    }),
  );
  const makespanMs = stage.clock.now() - startedMs;
  const originBytes = (await link.bytesOut()) - before;
  const used = await usage();
  for (const host of hosts) host.tell('end');
  await rm(join(stage.root, 'direct'), { recursive: true });
  return { makespanMs, hostMs, originBytes, ...used };
}

async function stormThroughQuarry(
  stage: Stage,
  link: Link,
): Promise<{ storm: Storm; reports: readonly FetchImageReport[] }> {
  const seeder = await startSeeder(stage, link);
  const before = await link.bytesOut();
  const hosts = await Promise.all(stage.images.map((_, i) => startNode(stage, i + 1, seeder.id, link)));
  await Promise.all(hosts.map((host) => hasMetAll(stage, host.client)));
  const usage = await usageSince([seeder.process, ...hosts.map((host) => host.process)]);
  const startedMs = stage.clock.now();
  const done = await Promise.all(
    hosts.map(async ({ client, directory }, i) => {
      const image = stage.images[i]?.name ?? '';
      const report = await client.fetch({ image, destination: join(directory, image) }, { signal: stage.signal });
      return { report, ms: stage.clock.now() - startedMs };
    }),
  );
  const makespanMs = stage.clock.now() - startedMs;
  const originBytes = (await link.bytesOut()) - before;
  const used = await usage();
  if (stage.directory !== undefined) {
    const statuses = await Promise.all([seeder, ...hosts].map(({ client }) => client.status({ signal: stage.signal })));
    await writeFile(join(stage.root, 'statuses.json'), `${JSON.stringify(statuses, null, 2)}\n`);
  }
  return {
    storm: { makespanMs, hostMs: done.map(({ ms }) => ms), originBytes, ...used },
    reports: done.map(({ report }) => report),
  };
}

/** The storm finds a cluster that stands, as on any Monday morning: every host has met the others. */
async function hasMetAll(stage: Stage, client: ControlClient): Promise<void> {
  const untilMs = stage.clock.now() + START_WITHIN_MS;
  for (;;) {
    const { peers, members } = await client.status({ signal: stage.signal });
    if (members > stage.nodes && peers >= Math.min(stage.nodes, 4)) return;
    if (stage.clock.now() > untilMs)
      throw new DemoError(
        'DEMO_TOO_SLOW',
        `a host knows ${members} of ${stage.nodes + 1} members after ${START_WITHIN_MS / 1000} s`,
      );
    await stage.clock.sleep(100, { signal: stage.signal });
  }
}

/** The seeder stands on the store's side of the link: it reads the images by path, and everything it gives passes the relay. */
async function startSeeder(
  stage: Stage,
  link: Link,
): Promise<{ readonly id: string; readonly process: Child; readonly client: ControlClient }> {
  const directory = join(stage.root, 'seeder');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeClusterKey(join(stage.root, 'cluster.key'));
  const flags = flagWords({
    json: true,
    data: directory,
    'cluster-key-file': join(stage.root, 'cluster.key'),
    listen: `/ip4/127.0.0.1/tcp/${link.seederTargetPort}`,
    announce: `/ip4/127.0.0.1/tcp/${link.seederPort}`,
    'bulk-listen': `/ip4/127.0.0.1/tcp/${link.seederBulkTargetPort}`,
    'bulk-announce': `/ip4/127.0.0.1/tcp/${link.seederBulkPort}`,
    dials: 'false',
    'log-level': 'warn',
  });
  const seeder = stage.start('the seeder', script('../main.ts'), ['seed', join(stage.root, 'store'), ...flags]);
  const { nodeId } = await seeder.said('nodeId', { signal: stage.signal, withinMs: START_WITHIN_MS });
  const { failures } = await seeder.said('images', { signal: stage.signal, withinMs: 10 * START_WITHIN_MS });
  if (Array.isArray(failures) && failures.length > 0)
    throw new DemoError('DEMO_PART_FAILED', `the seeder could not ingest: ${JSON.stringify(failures)}`);
  return { id: String(nodeId), process: seeder, client: createControlClient(join(directory, 'control.sock')) };
}

async function startNode(
  stage: Stage,
  number: number,
  seederId: string,
  link: Link,
): Promise<{ client: ControlClient; directory: string; process: Child }> {
  const directory = join(stage.root, `host-${number}`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const socket = join(directory, 'control.sock');
  const flags = flagWords({
    json: true,
    data: join(directory, 'data'),
    socket,
    'cluster-key-file': join(stage.root, 'cluster.key'),
    listen: '/ip4/127.0.0.1/tcp/0',
    bootstrap: `/ip4/127.0.0.1/tcp/${link.seederPort}/p2p/${seederId}`,
    trust: seederId,
    'log-level': 'warn',
  });
  const node = stage.start(`host ${number}`, script('../main.ts'), ['node', ...flags]);
  await node.said('nodeId', { signal: stage.signal, withinMs: START_WITHIN_MS });
  return { client: createControlClient(socket), directory, process: node };
}

/** What these processes use from now on until the function that it resolves to is called. */
async function usageSince(
  children: readonly Child[],
): Promise<() => Promise<{ cpuSeconds: number; peakRssBytes: number }>> {
  const sum = async (): Promise<{ cpuSeconds: number; peakRssBytes: number }> => {
    const all = await Promise.all(children.map(({ pid }) => processUsage(pid)));
    return {
      cpuSeconds: all.reduce((total, { cpuSeconds }) => total + cpuSeconds, 0),
      peakRssBytes: Math.max(...all.map(({ peakRssBytes }) => peakRssBytes)),
    };
  };
  const before = await sum();
  return async () => {
    const after = await sum();
    return { ...after, cpuSeconds: after.cpuSeconds - before.cpuSeconds };
  };
}

function reportOf(
  stage: Stage,
  uniqueBytes: number,
  direct: Storm,
  storm: Storm,
  reports: readonly FetchImageReport[],
  wrong: readonly number[],
): DemoReport {
  const sources = reports.map((report) => report.bytesBySource).reduce(addSources);
  const wire = reports.map((report) => report.wireBytesBySource).reduce(addSources);
  // what nodes say they got over the link must have passed the relay: else the measure is worth nothing
  if (wire.seeder + wire.origin > storm.originBytes) {
    throw new DemoError(
      'DEMO_WRONG',
      `hosts got ${wire.seeder + wire.origin} bytes from the store's side, but only ${storm.originBytes} passed the link`,
    );
  }
  return {
    nodes: stage.nodes,
    images: stage.images.length,
    imageBytes: imageBytesOf(stage),
    uniqueBytes,
    originBytes: storm.originBytes,
    originAmplification: storm.originBytes / uniqueBytes,
    directOriginBytes: direct.originBytes,
    makespanSeconds: storm.makespanMs / 1000,
    directMakespanSeconds: direct.makespanMs / 1000,
    speedup: direct.makespanMs / storm.makespanMs,
    boundSeconds: uniqueBytes / stage.linkBytesPerSecond,
    bytesFromPeers: sources.peer,
    wireBytes: wire.peer + wire.seeder + wire.origin,
    bytesFromLocal: sources.local,
    bytesFromOrigin: sources.seeder + sources.origin,
    cpuSecondsPerGb: storm.cpuSeconds / (imageBytesOf(stage) / 1e9),
    directCpuSecondsPerGb: direct.cpuSeconds / (imageBytesOf(stage) / 1e9),
    peakRssMiB: Math.round(storm.peakRssBytes / 2 ** 20),
    duplicateBytes: reports.reduce((sum, report) => sum + report.duplicateBytes, 0),
    badChunks: reports.reduce((sum, report) => sum + report.badChunks, 0),
    verifiedImages: wrong.filter((count) => count === 0).length,
    wrongBytes: wrong.reduce((sum, count) => sum + count, 0),
    linkBytesPerSecond: stage.linkBytesPerSecond,
    hosts: stage.images.map((image, i) => ({
      image: image.name,
      directSeconds: (direct.hostMs[i] ?? 0) / 1000,
      quarrySeconds: (storm.hostMs[i] ?? 0) / 1000,
    })),
  };
}

function imageBytesOf(stage: Stage): number {
  return stage.images.reduce((sum, image) => sum + image.sizeBytes, 0);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
