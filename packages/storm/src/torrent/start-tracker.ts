import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { systemClock } from '@quarry/runtime';
import { bencode } from './bencode.ts';

/** The least that BEP 3 and BEP 23 ask of a tracker, for peers on this host. */
export interface Tracker {
  readonly announceUrl: string;
  /** Resolves when a peer that has everything has announced itself. */
  seeded(signal: AbortSignal): Promise<void>;
  /** When the last of them to do so said for the first time that it has everything, on the system clock's `now()`. */
  readonly completedAtMs: number | undefined;
  close(): Promise<void>;
}

const INTERVAL_SECONDS = 5;

export async function startTracker(): Promise<Tracker> {
  const peers = new Map<string, number>();
  const whole = new Set<string>();
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
    // aria2 without a wish to seed says so in the message with which it leaves
    if (fields.get('left') === '0' && !whole.has(id)) {
      whole.add(id);
      completedAtMs = systemClock.now();
    }
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
      while (whole.size === 0) {
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
