import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Contestant } from '../contestant.ts';
import { startProcess } from '../process/start-process.ts';
import type { RunningProcess } from '../process/start-process.ts';
import { StormError } from '../storm-error.ts';
import type { Place, Waiting } from '../storm-network.ts';
import { findLibtorrentPython } from '../torrent/find-libtorrent-python.ts';
import { torrentAttempt } from './torrent-attempt.ts';
import type { TorrentClient, TorrentDeps } from './torrent-attempt.ts';

/** Also where it is run from dist: Python is not built. */
const script = fileURLToPath(new URL('../../src/torrent/libtorrent-peer.py', import.meta.url));

/** BitTorrent by the library that most BitTorrent programs are made of: one session on each host. */
export function createLibtorrent(): Contestant {
  return {
    name: 'libtorrent',
    about:
      'BitTorrent by libtorrent from Python, a session on each host, a seed beside Glance and a tracker; settings in torrent/libtorrent-peer.py',
    whyNot: async (_, waiting) =>
      (await findLibtorrentPython(waiting)) === undefined
        ? 'python3-libtorrent is not installed; benchmarks/install-peers.sh installs it'
        : undefined,
    async prepare(stage) {
      const python = await findLibtorrentPython({ signal: stage.signal });
      if (python === undefined) throw new StormError('STORM_PART_FAILED', 'python3-libtorrent is gone');
      return await torrentAttempt(stage, (deps) => createClient(deps, python));
    },
  };
}

interface Peer {
  readonly process: RunningProcess;
  readonly ready: Promise<void>;
  /** Resolves when it has what was ordered. */
  order(order: Readonly<Record<string, unknown>>, options: Waiting): Promise<void>;
}

function createClient({ stage, processes, watched }: TorrentDeps, python: string): TorrentClient {
  const { network, lifecycle, signal } = stage;
  const peers = new Map<number, Peer>();
  const start = (place: Place, name: string): Peer => {
    const peer = startPeer([python, script], { place, name, signal });
    lifecycle.onClose(name, () => peer.process.kill());
    return peer;
  };
  return {
    name: 'libtorrent',
    seed(torrents) {
      const seed = start(network.origin, 'the seed (libtorrent)');
      for (const { path, source } of torrents) {
        const order = { torrent: path, directory: dirname(source), name: basename(source), isSeed: true };
        // an order to seed fails with the process only, and whoever waits for the seed sees that
        seed.order(order, { signal }).catch(() => {});
      }
      return seed.process;
    },
    async prepareHost(host) {
      const place = network.hosts[host];
      if (!place) throw new RangeError(`the storm has no host ${host}`);
      const peer = start(place, `libtorrent on ${place.name}`);
      peers.set(host, peer);
      processes.add(host, peer.process);
      watched.push({ pid: peer.process.pid, host, name: 'libtorrent' });
      await Promise.race([peer.ready, peer.process.fails]);
    },
    async leech(host, torrent, file, waiting) {
      const peer = peers.get(host);
      if (!peer) throw new RangeError(`host ${host} was not prepared`);
      const order = { torrent: torrent.path, directory: dirname(file), name: basename(file), isSeed: false };
      await peer.order(order, waiting);
    },
  };
}

function startPeer(
  command: readonly string[],
  { place, name, signal }: Waiting & { readonly place: Place; readonly name: string },
): Peer {
  const ready = Promise.withResolvers<void>();
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  let lastId = 0;
  const peer = startProcess(name, command, {
    signal,
    prefix: place.prefix,
    onLine(line) {
      if (!line.startsWith('{')) return;
      const said = JSON.parse(line) as { readonly port?: number; readonly id?: number; readonly error?: string };
      if (said.port !== undefined) ready.resolve();
      if (said.id === undefined) return;
      if (said.error === undefined) waiting.get(said.id)?.resolve();
      else waiting.get(said.id)?.reject(new StormError('STORM_PART_FAILED', `${name}: ${said.error}`));
      waiting.delete(said.id);
    },
  });
  return {
    process: peer,
    ready: ready.promise,
    async order(order, { signal: gone }) {
      gone.throwIfAborted();
      const id = ++lastId;
      const done = Promise.withResolvers<void>();
      waiting.set(id, done);
      const giveUp = (): void => done.reject(gone.reason);
      gone.addEventListener('abort', giveUp, { once: true });
      peer.write(JSON.stringify({ ...order, id }));
      try {
        await Promise.race([done.promise, peer.fails]);
      } finally {
        gone.removeEventListener('abort', giveUp);
        waiting.delete(id);
      }
    },
  };
}
