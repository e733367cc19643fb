import { join } from 'node:path';
import type { StormFault } from '@quarry/scenario';
import type { Attempt, Stage, WatchedProcess } from '../contestant.ts';
import { forEachFew } from '../network/run-tool.ts';
import type { RunningProcess } from '../process/start-process.ts';
import { StormError } from '../storm-error.ts';
import type { Waiting } from '../storm-network.ts';
import { startTrackerProcess } from '../torrent/start-tracker-process.ts';
import { writeTorrent } from '../torrent/write-torrent.ts';
import { faultOnHosts } from './fault-on-hosts.ts';
import { createHostImages } from './host-images.ts';
import { createHostProcesses } from './host-processes.ts';
import type { HostProcesses } from './host-processes.ts';
import { shelveAtGlance } from './shelve-at-glance.ts';

/** A BitTorrent client, as a storm needs it. What it starts it stops with the stage's lifecycle. */
export interface TorrentClient {
  readonly name: string;
  /** Starts what hosts run before the storm, if it runs anything then. */
  prepareHost?(host: number, options: Waiting): Promise<void>;
  /** Starts a process in the origin's place that has these images and serves them. */
  seed(torrents: readonly Torrent[], options: Waiting): RunningProcess;
  /** Resolves when the file on the host has its last byte; the host serves it from then on until the storm is over. */
  leech(host: number, torrent: Torrent, file: string, options: Waiting): Promise<void>;
}

export interface Torrent {
  /** The file that describes it. */
  readonly path: string;
  /** The image itself, on the origin's side. */
  readonly source: string;
}

export interface TorrentDeps {
  readonly stage: Stage;
  readonly processes: HostProcesses;
  readonly watched: WatchedProcess[];
}

/**
 * A swarm of all hosts and a seed next to the store, with a tracker there too. Torrents are made beforehand, and hosts have them: a few kilobytes that do not go
 * over the network. An image that is shelved meanwhile goes to Glance first, and has a seed of its own when it is there.
 */
export async function torrentAttempt(
  stage: Stage,
  createClient: (deps: TorrentDeps) => TorrentClient,
): Promise<Attempt> {
  const { storm, network, glance, images, lifecycle, signal } = stage;
  const processes = createHostProcesses(network.hosts);
  const held = createHostImages();
  const watched: WatchedProcess[] = [];
  const client = createClient({ stage, processes, watched });
  const tracker = await startTrackerProcess(network.origin, {
    signal,
    intervalSeconds: announceIntervalSeconds(storm.hosts.length),
  });
  lifecycle.onClose('the tracker', () => tracker.process.kill());
  watched.push({ pid: tracker.process.pid, host: undefined, name: 'tracker' });
  const torrents = new Map<number, Torrent>();
  const seeds: RunningProcess[] = [];
  const startSeed = async (numbers: readonly number[], waiting: Waiting): Promise<RunningProcess> => {
    const made: Torrent[] = [];
    for (const image of numbers) {
      const source = images.files[image];
      if (!source) throw new RangeError(`the storm has no image ${image}`);
      const torrent = { path: join(stage.directory, `${image}.torrent`), source: source.path };
      await writeTorrent(source.path, torrent.path, tracker.announceUrl, { pieceBytes: pieceBytesOf });
      torrents.set(image, torrent);
      made.push(torrent);
    }
    const seed = client.seed(made, waiting);
    seeds.push(seed);
    watched.push({ pid: seed.pid, host: undefined, name: `${client.name} (seed)` });
    return seed;
  };
  const there = storm.images.flatMap((_, image) => (glance.id(image) === undefined ? [] : [image]));
  if (there.length > 0) {
    const seed = await startSeed(there, { signal });
    await Promise.race([tracker.whole(there.length, { signal }), seed.fails]);
  }
  if (client.prepareHost) {
    const hosts = [...new Set(storm.unshelves.map(({ host }) => host))];
    await forEachFew(hosts, async (host) => await client.prepareHost?.(host, { signal }));
  }
  return {
    async unshelve({ host, image }, file, waiting) {
      const torrent = torrents.get(image);
      if (!torrent) throw new StormError('STORM_PART_FAILED', `nobody seeds ${storm.images[image]?.name ?? image} yet`);
      await held.bring({ host, image, file }, () => client.leech(host, torrent, file, waiting), waiting);
    },
    async shelve(shelve, waiting) {
      await shelveAtGlance(stage, processes, shelve, waiting);
      await startSeed([shelve.image], { signal });
    },
    fault: async (fault: StormFault) => {
      if (fault.kind === 'kill') held.forget(fault.host);
      if (fault.kind !== 'seedersLeave') return await faultOnHosts(stage, processes, fault);
      await Promise.all(seeds.splice(0).map((seed) => (fault.isOrderly ? seed.stop() : seed.kill())));
      return true;
    },
    processes: () => watched,
    account: async () => ({}),
  };
}

const MIN_PIECE_BYTES = 2 ** 16;
const MAX_PIECE_BYTES = 2 ** 20;
const PIECES = 512;

/**
 * Half a thousand pieces or more, of 64 KiB at least: what a host has whole it can pass on. With 8 hosts, 32 MiB and 20 Mbit/s aria2 took 22.9 s with pieces
 * of 64 KiB and 24.3 s with 256 KiB, libtorrent 24.0 and 30.4 s (on a busy machine).
 */
export function pieceBytesOf(sizeBytes: number): number {
  const pieceBytes = 2 ** Math.floor(Math.log2(Math.max(1, sizeBytes) / PIECES));
  return Math.min(MAX_PIECE_BYTES, Math.max(MIN_PIECE_BYTES, pieceBytes));
}

/** All hosts together ask four times a second at most: half a kilobyte each over a link that is the narrowest. */
function announceIntervalSeconds(hosts: number): number {
  return Math.max(5, Math.ceil(hosts / 4));
}
