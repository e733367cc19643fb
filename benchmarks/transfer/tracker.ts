import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { bencode } from './torrent-file.ts';

/** The least that BEP 3 and BEP 23 ask of a tracker, for peers on this host. */
export interface Tracker {
  readonly announceUrl: string;
  /** Resolves when a peer that has everything has announced itself. */
  seeded(signal: AbortSignal): Promise<void>;
  /** When a peer last said that it has completed its download, on the clock of `performance.now()`. */
  readonly completedAtMs: number | undefined;
  close(): Promise<void>;
}

const INTERVAL_SECONDS = 5;

export async function startTracker(): Promise<Tracker> {
  const peers = new Map<string, number>();
  let hasSeed = false;
  let completedAtMs: number | undefined;
  const listeners = new Set<() => void>();
  const server = createServer((request, response) => {
    const query = (request.url ?? '').split('?')[1] ?? '';
    // info_hash and peer_id are bytes, not text: they are taken as they stand in the URL
    const fields = new Map(query.split('&').map((pair) => pair.split('=', 2) as [string, string]));
    const id = fields.get('peer_id') ?? '';
    const event = fields.get('event');
    if (event === 'stopped') peers.delete(id);
    else peers.set(id, Number(fields.get('port')));
    if (event === 'completed') completedAtMs = performance.now();
    if (fields.get('left') === '0' && event !== 'stopped') hasSeed = true;
    for (const listener of listeners) listener();
    const others = [...peers].filter(([peer]) => peer !== id);
    const compact = Buffer.concat(others.map(([, port]) => Buffer.from([127, 0, 0, 1, port >> 8, port & 255])));
    response.end(bencode({ interval: INTERVAL_SECONDS, 'min interval': INTERVAL_SECONDS, peers: compact }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    announceUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`,
    async seeded(signal) {
      while (!hasSeed) {
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
