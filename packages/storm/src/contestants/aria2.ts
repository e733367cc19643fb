import { chmod, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Contestant } from '../contestant.ts';
import { findCommand } from '../process/find-command.ts';
import { startProcess } from '../process/start-process.ts';
import { torrentAttempt } from './torrent-attempt.ts';
import type { TorrentClient, TorrentDeps } from './torrent-attempt.ts';

const SEED_PORT = 6881;
const FIRST_LEECH_PORT = 20_000;
const COMPLETE = 'complete';

/** BitTorrent by aria2c: a process for each image on each host, since that is how aria2 is used. */
export function createAria2(): Contestant {
  return {
    name: 'aria2',
    about:
      'BitTorrent by aria2c, a seed beside Glance and a tracker; small pieces, everybody may know everybody, hosts seed on',
    whyNot: async () =>
      findCommand('aria2c') === undefined
        ? 'aria2c is not installed; benchmarks/install-peers.sh installs it'
        : undefined,
    async prepare(stage) {
      const hook = join(stage.directory, 'complete');
      await writeFile(hook, `#!/bin/sh\necho ${COMPLETE}\n`);
      await chmod(hook, 0o755);
      return await torrentAttempt(stage, (deps) => createClient(deps, hook));
    },
  };
}

function createClient({ stage, processes, watched }: TorrentDeps, hook: string): TorrentClient {
  const { network, lifecycle, signal } = stage;
  let seeds = 0;
  let leeches = 0;
  return {
    name: 'aria2c',
    seed(torrents) {
      const words = seedWords({
        port: SEED_PORT + seeds++,
        directory: dirname(torrents[0]?.source ?? ''),
        torrents: torrents.map(({ path }) => path),
      });
      const seed = startProcess('the seed (aria2c)', ['aria2c', ...words], { signal, prefix: network.origin.prefix });
      lifecycle.onClose('the seed (aria2c)', () => seed.kill());
      return seed;
    },
    async leech(host, torrent, file, waiting) {
      const place = network.hosts[host];
      if (!place) throw new RangeError(`the storm has no host ${host}`);
      waiting.signal.throwIfAborted();
      const complete = Promise.withResolvers<void>();
      const name = `aria2c on ${place.name}`;
      const words = leechWords({
        port: FIRST_LEECH_PORT + leeches++,
        file,
        torrent: torrent.path,
        hook,
        linkBytesPerSecond: stage.storm.hosts[host]?.downBytesPerSecond ?? Infinity,
      });
      const leech = startProcess(name, ['aria2c', ...words], {
        signal,
        prefix: place.prefix,
        onLine: (line) => line === COMPLETE && complete.resolve(),
      });
      lifecycle.onClose(name, () => leech.kill());
      processes.add(host, leech);
      watched.push({ pid: leech.pid, host, name: 'aria2c' });
      await untilDone(complete.promise, leech, waiting);
    },
  };
}

/** Until it has the image, ends before, or nobody waits for it any more: then it is killed. */
async function untilDone(
  done: Promise<void>,
  leech: { readonly fails: Promise<never>; kill(): Promise<void> },
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const given = Promise.withResolvers<never>();
  const giveUp = (): void => given.reject(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    await Promise.race([done, leech.fails, given.promise]);
  } catch (error) {
    await leech.kill();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** Nothing but the tracker says who there is. No limit of peers: aria2 chokes all but four of them anyway. */
const common = [
  '--no-conf=true',
  '--enable-dht=false',
  '--enable-dht6=false',
  '--bt-enable-lpd=false',
  '--enable-peer-exchange=false',
  '--disable-ipv6=true',
  '--console-log-level=warn',
  '--summary-interval=0',
  '--show-console-readout=false',
  '--file-allocation=none',
  '--auto-save-interval=0',
  '--bt-max-peers=0',
  '--seed-ratio=0.0',
  `--stop-with-process=${process.pid}`,
];

export function seedWords(options: {
  readonly port: number;
  /** Where all their images are, under the torrents' names. */
  readonly directory: string;
  readonly torrents: readonly string[];
}): readonly string[] {
  const many = ['--force-sequential=true', `--max-concurrent-downloads=${Math.max(1, options.torrents.length)}`];
  const seeding = ['--bt-seed-unverified=true', '--allow-overwrite=true', `--listen-port=${options.port}`];
  return [...common, ...many, ...seeding, `--dir=${options.directory}`, ...options.torrents];
}

export function leechWords(options: {
  readonly port: number;
  readonly file: string;
  readonly torrent: string;
  /** Run when the last piece is in the file. */
  readonly hook: string;
  /** Below this it looks for more peers. */
  readonly linkBytesPerSecond: number;
}): readonly string[] {
  const { port, file, torrent, hook, linkBytesPerSecond } = options;
  const limit = linkBytesPerSecond < Infinity ? Math.round(linkBytesPerSecond) : 0;
  return [
    ...common,
    `--bt-request-peer-speed-limit=${limit}`,
    `--listen-port=${port}`,
    `--on-bt-download-complete=${hook}`,
    `--dir=${dirname(file)}`,
    `--index-out=1=${basename(file)}`,
    torrent,
  ];
}
