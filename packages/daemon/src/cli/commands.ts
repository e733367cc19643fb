import { readdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { formatBytes, formatDuration, formatRate, parseBytes } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import type { Config } from '../config/config.ts';
import { configDocs } from '../config/config-docs.ts';
import { configKeys, settingOf } from '../config/settings.ts';
import type * as Compose from '../compose.ts';
import { createControlClient } from '../control/control-client.ts';
import type { Daemon, DaemonStatus, FetchImageReport, LimitsView, NetworkView } from '../daemon.ts';
import { CliError } from './cli-error.ts';
import { addConfigFlags, clientKeys, configOf } from './config-flags.ts';
import { createLog } from './log.ts';
import type { Terminal } from './terminal.ts';
import { textTable } from './text-table.ts';
import { withDaemon } from './with-daemon.ts';

export interface CliContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The clean stop that has begun may take so much longer. */
  readonly stopLater: (ms: number) => void;
  readonly terminal: () => Terminal;
}

export function addNode(program: Command, context: CliContext): void {
  const command = program.command('node').description('run the daemon of a compute host until stopped');
  addConfigFlags(command).action(async () => {
    const { startDaemon } = await compose();
    const daemon = await startDaemon(configOf(command), {
      role: 'node',
      logger: createLog(configOf(command).log),
      signal: context.signal,
    });
    announceReady(daemon, configOf(command), context.terminal());
    await stopped(context.signal);
    // no longer than what is under way at the façade takes
    if (configOf(command).gateway.glance !== '') context.stopLater(configOf(command).gateway.drainMs);
    await daemon.close();
  });
}

export function addSeed(program: Command, context: CliContext): void {
  const command = program
    .command('seed')
    .argument('[what...]', 'image files, directories of image files, or, with --origin, images by reference')
    .description('run the daemon next to the store: ingest what is named, then give it to the nodes until stopped');
  addConfigFlags(command).action(async (what: string[]) => {
    const config = configOf(command);
    const paths = config.origin.kind === 'none' ? await existingPaths(what) : what;
    const { startDaemon } = await compose();
    const daemon = await startDaemon(config, { role: 'seeder', logger: createLog(config.log), signal: context.signal });
    try {
      const terminal = context.terminal();
      announceReady(daemon, config, terminal);
      const report = await daemon.seed(paths, {
        signal: context.signal,
        onProgress: (progress) => terminal.progress(progress),
      });
      terminal.result({ event: 'seeded', ...report }, () =>
        [
          ...report.images.map(
            (image) =>
              `seeded ${image.image}: ${formatBytes(image.imageBytes)}, ${formatBytes(image.newBytes)} new, ${formatDuration(image.durationMs)}`,
          ),
          ...report.failures.map((failure) => `not seeded ${failure.image}: ${failure.message}`),
        ].join('\n'),
      );
      if (report.images.length === 0 && report.failures.length > 0) {
        throw new CliError(
          'CLI_INCOMPLETE',
          `none of ${report.failures.length} images could be seeded; the first: ${report.failures[0]?.message}`,
        );
      }
      await stopped(context.signal);
    } finally {
      if (context.signal.aborted && config.seeder.drainMs > 0) await drain(daemon, config.seeder.drainMs, context);
      await daemon.close();
    }
  });
}

/** What has been given may have no other holder yet. Whatever goes wrong here, the daemon is closed in order. */
async function drain(daemon: Daemon, timeoutMs: number, context: CliContext): Promise<void> {
  context.stopLater(timeoutMs);
  const terminal = context.terminal();
  let isSaid = false;
  await daemon
    .drain({
      timeoutMs,
      onWaiting({ unsafePieces, needers }) {
        if (!isSaid)
          terminal.note(`stopping: ${leavingLine(unsafePieces, needers.length)}; once more Ctrl-C to leave now`);
        isSaid = true;
      },
    })
    .catch((error: unknown) => terminal.note(`stopping without waiting for nodes: ${String(error)}`));
  context.stopLater(0);
}

function leavingLine(pieces: number, nodes: number): string {
  return `${nodes} nodes still need ${pieces} pieces that fewer than three of them hold`;
}

export function addFetch(program: Command, context: CliContext): void {
  const command = program
    .command('fetch')
    .argument('<image>', 'the image’s reference: a Glance id, or a file’s name')
    .argument('<dest>', 'the file to make, or a directory to make it in')
    .option('--overwrite', 'replace the destination if it exists')
    .option('--check-hash', 'hash the whole image as well (each chunk is checked in any case)')
    .option('--expect-hash <algorithm:hex>', 'fail unless the image has this hash, e.g. sha512:…')
    .description('bring an image here, bit for bit; through the running daemon, or without one');
  addConfigFlags(command).action(async (image: string, dest: string) => {
    const terminal = context.terminal();
    const { overwrite, checkHash, expectHash } = command.opts<{
      overwrite?: boolean;
      checkHash?: boolean;
      expectHash?: string;
    }>();
    const destination = await destinationFile(dest, image);
    const report = await withDaemon(configOf(command), context, { isLocal: false }, (client) =>
      client.fetch(
        {
          image,
          destination,
          overwrite: overwrite === true,
          checkHash: checkHash === true,
          ...(expectHash === undefined ? {} : { expectedHash: expectHash }),
        },
        { signal: context.signal, onProgress: (progress) => terminal.progress(progress) },
      ),
    );
    terminal.result(report, fetchSummary);
  });
}

export function addImages(program: Command, context: CliContext): void {
  const command = program.command('images').description('list the images that this node has or could fetch');
  addConfigFlags(command, clientKeys).action(async () => {
    const images = await withDaemon(configOf(command), context, { isLocal: true }, (client) =>
      client.images({ signal: context.signal }),
    );
    context.terminal().result(images, () =>
      images.length === 0
        ? 'no images'
        : textTable(
            ['image', 'size', 'here', 'pinned', 'trusted', 'domain'],
            images.map((image) => [
              image.image,
              formatBytes(image.imageBytes),
              image.localBytes === undefined ? '-' : formatBytes(image.localBytes),
              image.isPinned ? 'yes' : '',
              image.isTrusted ? 'yes' : 'no',
              image.domain,
            ]),
          ),
    );
  });
}

export function addStatus(program: Command, context: CliContext): void {
  const command = program
    .command('status')
    .option('--metrics', 'Prometheus metrics instead')
    .description('what the running daemon is, has and does');
  addConfigFlags(command, clientKeys).action(async () => {
    const client = createControlClient(configOf(command).control.socket);
    if (command.opts<{ metrics?: boolean }>().metrics) {
      const metrics = await client.metrics();
      return context.terminal().result(metrics, (text) => text.trimEnd());
    }
    const status = await client.status({ signal: context.signal });
    context
      .terminal()
      .result(status, () =>
        [
          `${status.role} ${status.nodeId}, zone ${status.zone}, up ${formatDuration(status.uptimeMs)}, version ${status.version}`,
          ...status.addresses.map((address) => `address ${address}`),
          `store   ${status.store.directory}: ${status.store.packs} packs, ${formatBytes(status.store.presentBytes)} of chunks in ${formatBytes(status.store.storedBytes)} on disk, at most ${formatBytes(status.store.maxBytes)}, ${status.store.pinnedPacks} pinned`,
          `digest  ${status.digest}`,
          `origin  ${status.origin}`,
          `memory  ${formatBytes(status.memory.rssBytes)}`,
          `peers   ${status.peers} connected, ${status.members} members`,
          `bulk    ${bulkLine(status.network)}`,
          `limit   ${originBudgetLine(status.originBudget)}`,
          `rates   ${limitsLine(status.limits)}`,
          `zones   ${formatBytes(status.crossZone.receivedBytes)} came from other zones, ${formatBytes(status.crossZone.sentBytes)} went there`,
          ...(status.leaving
            ? [
                `leaves  when nodes can do without it, for ${formatDuration(status.leaving.waitedMs)} now: ${leavingLine(status.leaving.unsafePieces, status.leaving.needers.length)}`,
              ]
            : []),
          `swarm   ${JSON.stringify(status.swarm)}`,
        ].join('\n'),
      );
  });
}

function bulkLine({ bulkAddresses, bulkConnections, bulkFallbacks, bulk, libp2p }: NetworkView): string {
  const at = bulkAddresses.length > 0 ? bulkAddresses.join(', ') : 'offered nowhere';
  const received = `${formatBytes(bulk.receivedBytes)} came in bulk, ${formatBytes(libp2p.receivedBytes)} over libp2p`;
  const sent = `${formatBytes(bulk.sentBytes)} and ${formatBytes(libp2p.sentBytes)} went`;
  return `${at}; ${bulkConnections} connections; ${received}; ${sent}; ${bulkFallbacks} fallbacks`;
}

export function addVerify(program: Command, context: CliContext): void {
  const command = program
    .command('verify')
    .description('re-hash every chunk in the store; drop and report what is bad');
  addConfigFlags(command, clientKeys).action(async () => {
    const terminal = context.terminal();
    const report = await withDaemon(configOf(command), context, { isLocal: true }, (client) =>
      client.verify({ signal: context.signal, onProgress: (progress) => terminal.progress(progress) }),
    );
    terminal.result(report, () =>
      [
        `${report.packs} packs, ${report.checkedChunks} chunks, ${formatBytes(report.checkedBytes)} checked`,
        `${report.badChunks.length} bad chunks${report.badChunks.length > 0 ? ', dropped: they will be fetched again when wanted' : ''}`,
        ...report.badChunks.slice(0, 20).map((bad) => `  pack ${bad.pack} chunk ${bad.chunk}`),
        ...report.strayFiles.map((file) => `belongs to no pack: ${file}`),
      ].join('\n'),
    );
    if (report.badChunks.length > 0) process.exitCode = 5;
  });
}

export function addPin(program: Command, context: CliContext): void {
  for (const name of ['pin', 'unpin'] as const) {
    const command = program
      .command(name)
      .argument('<image>', 'the image’s reference')
      .description(
        name === 'pin' ? 'keep an image’s packs whatever the store’s budget' : 'let an image’s packs be evicted again',
      );
    addConfigFlags(command, clientKeys).action(async (image: string) => {
      const packs = await withDaemon(configOf(command), context, { isLocal: true }, (client) => client[name](image));
      context.terminal().result({ image, packs }, () => `${name}ned ${image}: ${packs} packs`);
    });
  }
}

export function addGc(program: Command, context: CliContext): void {
  const command = program
    .command('gc')
    .option('--max <size>', 'evict down to this size instead of the configured store size')
    .description('evict the packs used least recently until the store is within its budget');
  addConfigFlags(command, [...clientKeys, 'store.maxBytes']).action(async () => {
    const { max } = command.opts<{ max?: string }>();
    const maxBytes = max === undefined ? undefined : parseBytes(max);
    if (max !== undefined && maxBytes === undefined)
      throw new CliError('CLI_BAD_ARGUMENT', `--max is ${JSON.stringify(max)}, but must be a size such as 20GiB`);
    const report = await withDaemon(configOf(command), context, { isLocal: true }, (client) =>
      client.gc(maxBytes, { signal: context.signal }),
    );
    context
      .terminal()
      .result(
        report,
        () =>
          `evicted ${report.evictedPacks} packs, ${formatBytes(report.evictedBytes)}; kept ${formatBytes(report.keptBytes)}, of which ${formatBytes(report.heldBytes)} pinned or in use`,
      );
  });
}

export function addKey(program: Command, context: CliContext): void {
  program
    .command('key')
    .argument('<file>', 'the file to make; copy it to every node')
    .description('make a new cluster key')
    .action(async (file: string) => {
      const { writeClusterKey } = await compose();
      await writeClusterKey(resolve(file));
      context
        .terminal()
        .result(
          { file: resolve(file) },
          () =>
            `new cluster key in ${resolve(file)}; copy it to every node and seeder, readable by the daemon's user only`,
        );
    });
}

export function addConfig(program: Command, context: CliContext): void {
  const config = program.command('config').description('look at the configuration');
  const show = config
    .command('show')
    .description('the settings in force, after file and flags; fails if they are wrong');
  addConfigFlags(show).action(() => {
    const values = configOf(show);
    context.terminal().result(values, () =>
      configKeys
        .map((key) => {
          const [section = '', name = ''] = key.split('.');
          const table = values[section as keyof Config] as Readonly<Record<string, unknown>>;
          return `${key} = ${settingOf(key).kind.show(table[name])}`;
        })
        .join('\n'),
    );
  });
  config
    .command('docs')
    .description('print docs/configuration.md')
    .action(() => context.terminal().result({ markdown: configDocs() }, (docs) => docs.markdown.trimEnd()));
}

/** libp2p and its kin cost half a second: only who needs them waits. */
function compose(): Promise<typeof Compose> {
  return import('../compose.ts');
}

function announceReady(daemon: Daemon, config: Config, terminal: Terminal): void {
  terminal.result(
    { event: 'ready', nodeId: daemon.nodeId, addresses: daemon.addresses(), socket: config.control.socket },
    () => [`ready: ${daemon.nodeId}`, ...daemon.addresses().map((address) => `  --bootstrap ${address}`)].join('\n'),
  );
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolvePromise) => {
    if (signal.aborted) return resolvePromise();
    signal.addEventListener('abort', () => resolvePromise(), { once: true });
  });
}

/** @throws CliError for what is not there, or empty */
export async function existingPaths(what: readonly string[]): Promise<string[]> {
  const paths = what.map((path) => resolve(path));
  for (const [i, path] of paths.entries()) {
    const found = await stat(path).catch((cause: unknown) => {
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        `there is no file or directory ${what[i]}; to name images of an origin instead, set --origin`,
        { cause },
      );
    });
    if (found.isDirectory() && (await readdir(path)).length === 0)
      throw new CliError('CLI_BAD_ARGUMENT', `the directory ${what[i]} is empty`);
  }
  return paths;
}

async function destinationFile(dest: string, image: string): Promise<string> {
  const path = resolve(dest);
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => dest.endsWith('/'),
  );
  return isDirectory ? resolve(path, image.slice(image.lastIndexOf('/') + 1)) : path;
}

function limitsLine({ uploadBytesPerSecond, downloadBytesPerSecond }: LimitsView): string {
  return `sends at most ${formatRate(uploadBytesPerSecond ?? Infinity)}, receives at most ${formatRate(downloadBytesPerSecond ?? Infinity)}`;
}

function fetchSummary(report: FetchImageReport): string {
  const { local, peer, seeder, origin } = report.bytesBySource;
  const seconds = formatDuration(report.fetchMs + report.rebuildMs);
  return `${report.image} → ${report.destination}: ${formatBytes(report.imageBytes)} in ${seconds}
from here ${formatBytes(local)}, peers ${formatBytes(peer)}, seeders ${formatBytes(seeder)}, origin ${formatBytes(origin)} of the image’s chunks, ${wireText(report)} over the link; ${report.isHashChecked ? 'chunks and whole-image hash checked' : 'every chunk checked'}`;
}

/** Bytes that crossed a link, and for how many of the image each of them stands. */
function wireText({ bytesBySource, wireBytesBySource }: FetchImageReport): string {
  const plain = bytesBySource.peer + bytesBySource.seeder + bytesBySource.origin;
  const wire = wireBytesBySource.peer + wireBytesBySource.seeder + wireBytesBySource.origin;
  return wire === plain || wire === 0
    ? formatBytes(wire)
    : `${formatBytes(wire)} (${(plain / wire).toFixed(2)} × smaller)`;
}

function originBudgetLine(view: DaemonStatus['originBudget'] | null): string {
  if (!view) return 'none on what leaves the store';
  const { budget, allowance, grantor } = view;
  const rate = (bytesPerSecond: number | null): string => formatRate(bytesPerSecond ?? Infinity);
  const reads = budget.reads === null || budget.reads === Infinity ? 'any number of' : String(budget.reads);
  const own = `this node may take ${rate(allowance.bytesPerSecond)} now`;
  return `${rate(budget.bytesPerSecond)} and ${reads} reads for the cluster; ${own}, granted by ${grantor ?? 'nobody'}`;
}
