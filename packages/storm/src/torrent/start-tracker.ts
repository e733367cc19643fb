import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { shuffled, systemClock, systemRandom } from '@quarry/runtime';
import { bencode } from './bencode.ts';

/** The least that BEP 3 and BEP 23 ask of a tracker. Peers are told each other's source addresses: IPv4 only. */
export interface Tracker {
  readonly announceUrl: string;
  /** Resolves when a peer that has everything of one torrent has announced itself; with `count`, when so many have. */
  seeded(signal: AbortSignal, count?: number): Promise<void>;
  /** When the last of them to do so said for the first time that it has everything, on the system clock's `now()`. */
  readonly completedAtMs: number | undefined;
  close(): Promise<void>;
}

export interface TrackerOptions {
  /** IPv4, which peers reach it at; loopback by default. */
  readonly address?: string;
  /** How often peers ask. */
  readonly intervalSeconds?: number;
}

/** What BEP 3 has clients assume, and clients want. */
const MOST_PEERS = 50;

export async function startTracker(options: TrackerOptions = {}): Promise<Tracker> {
  const { address = '127.0.0.1', intervalSeconds = 5 } = options;
  const swarms = new Map<string, Map<string, Buffer>>();
  const whole = new Set<string>();
  let completedAtMs: number | undefined;
  const listeners = new Set<() => void>();
  const server = createServer((request, response) => {
    const query = (request.url ?? '').split('?')[1] ?? '';
    // info_hash and peer_id are bytes, not text: they are taken as they stand in the URL
    const fields = new Map(query.split('&').map((pair) => pair.split('=', 2) as [string, string]));
    const [torrent, id] = [fields.get('info_hash') ?? '', fields.get('peer_id') ?? ''];
    const peers = swarms.get(torrent) ?? new Map<string, Buffer>();
    swarms.set(torrent, peers);
    if (fields.get('event') === 'stopped') peers.delete(id);
    else peers.set(id, compact(request.socket.remoteAddress ?? '', Number(fields.get('port'))));
    // aria2 without a wish to seed says so in the message with which it leaves
    if (fields.get('left') === '0' && !whole.has(torrent + id)) {
      whole.add(torrent + id);
      completedAtMs = systemClock.now();
    }
    for (const listener of listeners) listener();
    const others = [...peers].flatMap(([peer, contact]) => (peer === id ? [] : [contact]));
    const wanted = Math.min(Number(fields.get('numwant') ?? MOST_PEERS), MOST_PEERS);
    const some = others.length > wanted ? shuffled(others, systemRandom).slice(0, wanted) : others;
    response.end(bencode({ interval: intervalSeconds, 'min interval': intervalSeconds, peers: Buffer.concat(some) }));
  });
  server.listen(0, address);
  await once(server, 'listening');
  return {
    announceUrl: `http://${address}:${(server.address() as AddressInfo).port}/announce`,
    async seeded(signal, count = 1) {
      while (whole.size < count) {
        signal.throwIfAborted();
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            listeners.delete(wake);
            signal.removeEventListener('abort', wake);
            resolve();
          };
          listeners.add(wake);
          signal.addEventListener('abort', wake);
        });
      }
    },
    get completedAtMs() {
      return completedAtMs;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** BEP 23: four bytes of address, two of port, in network order. */
function compact(address: string, port: number): Buffer {
  return Buffer.from([...address.split('.').map(Number), port >> 8, port & 255]);
}
