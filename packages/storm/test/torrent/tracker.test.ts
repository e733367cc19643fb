import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it } from 'vitest';
import { startTracker } from '../../src/torrent/start-tracker.ts';
import type { Tracker, TrackerOptions } from '../../src/torrent/start-tracker.ts';

const trackers: Tracker[] = [];
afterEach(async () => {
  for (const tracker of trackers.splice(0)) await tracker.close();
});

async function start(options?: TrackerOptions): Promise<Tracker> {
  const tracker = await startTracker(options);
  trackers.push(tracker);
  return tracker;
}

/** Announces from one of loopback's addresses, of which there are many. */
async function announce(
  tracker: Tracker,
  from: string,
  fields: Readonly<Record<string, string | number>>,
): Promise<{ readonly peers: readonly string[]; readonly interval: number }> {
  const query = Object.entries({ info_hash: '%01%02', left: 1, port: 6881, ...fields });
  const url = `${tracker.announceUrl}?${query.map(([name, value]) => `${name}=${value}`).join('&')}`;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { localAddress: from, agent: false }, (answer) => resolve(answer.setEncoding('latin1')))
      .on('error', reject)
      .end();
  });
  const body = await text(response);
  const [, length = '', rest = ''] = /5:peers(\d+):([^]*)e$/.exec(body) ?? [];
  const bytes = Buffer.from(rest, 'latin1');
  expect(bytes).toHaveLength(Number(length));
  const peers = Array.from({ length: bytes.length / 6 }, (_, i) => {
    const contact = bytes.subarray(6 * i, 6 * i + 6);
    return `${contact.subarray(0, 4).join('.')}:${contact.readUInt16BE(4)}`;
  });
  return { peers: peers.toSorted(), interval: Number(/8:intervali(\d+)e/.exec(body)?.[1]) };
}

it('tells each peer of the others at the addresses that they announced themselves from', async () => {
  const tracker = await start({ intervalSeconds: 7 });
  expect(await announce(tracker, '127.0.0.1', { peer_id: 'a', port: 300 })).toEqual({ peers: [], interval: 7 });
  expect((await announce(tracker, '127.0.0.2', { peer_id: 'b', port: 6881 })).peers).toEqual(['127.0.0.1:300']);
  expect((await announce(tracker, '127.0.0.1', { peer_id: 'a', port: 300 })).peers).toEqual(['127.0.0.2:6881']);
});

it('keeps torrents apart, and forgets who has stopped', async () => {
  const tracker = await start();
  await announce(tracker, '127.0.0.1', { peer_id: 'a' });
  await announce(tracker, '127.0.0.2', { peer_id: 'b', info_hash: '%03' });
  expect((await announce(tracker, '127.0.0.3', { peer_id: 'c' })).peers).toEqual(['127.0.0.1:6881']);
  await announce(tracker, '127.0.0.1', { peer_id: 'a', event: 'stopped' });
  expect((await announce(tracker, '127.0.0.3', { peer_id: 'c' })).peers).toEqual([]);
});

it('tells at most as many peers as are wanted, each once', async () => {
  const tracker = await start();
  const all = Array.from({ length: 60 }, (_, i) => i);
  for (const i of all) await announce(tracker, '127.0.0.1', { peer_id: `p${i}`, port: 1000 + i });
  const five = await announce(tracker, '127.0.0.1', { peer_id: 'x', numwant: 5 });
  expect(new Set(five.peers).size).toBe(5);
  const most = await announce(tracker, '127.0.0.1', { peer_id: 'x', numwant: 1000 });
  expect(new Set(most.peers).size).toBe(50);
});

it('says when so many have everything, and counts each once', async ({ signal }) => {
  const tracker = await start();
  const two = tracker.seeded(signal, 2);
  let isSeeded = false;
  void two.then(() => (isSeeded = true));
  await announce(tracker, '127.0.0.1', { peer_id: 'a', left: 0 });
  await announce(tracker, '127.0.0.1', { peer_id: 'a', left: 0 });
  await announce(tracker, '127.0.0.1', { peer_id: 'b', left: 3 });
  expect(isSeeded).toBe(false);
  await announce(tracker, '127.0.0.1', { peer_id: 'b', left: 0, event: 'completed' });
  await two;
  expect(tracker.completedAtMs).toBeGreaterThan(0);
});

it('stops waiting with the signal', async () => {
  const tracker = await start();
  const gone = new AbortController();
  const seeded = tracker.seeded(gone.signal);
  gone.abort(new Error('no more'));
  await expect(seeded).rejects.toThrow('no more');
});
