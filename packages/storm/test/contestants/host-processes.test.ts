import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createHostProcesses } from '../../src/contestants/host-processes.ts';
import { startProcess } from '../../src/process/start-process.ts';
import type { Place } from '../../src/storm-network.ts';

const places: readonly Place[] = ['a', 'b'].map((name) => ({ name, address: '127.0.0.1', zone: 0, prefix: [] }));

async function stateOf(pid: number): Promise<string | undefined> {
  return /^State:\s+(\w)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
}

it('kills what runs on a host, clients and peers, and nothing else', async ({ signal }) => {
  const processes = createHostProcesses(places);
  const peers = [0, 1].map((host) => {
    const peer = startProcess('a peer', ['sleep', '60'], { signal });
    processes.add(host, peer);
    return peer;
  });
  const client = processes.run(0, ['sleep', '60'], { signal });
  const other = processes.run(1, ['sh', '-c', 'echo alive'], { signal });
  const died = expect(client).rejects.toThrow('its host died');
  await processes.kill(0);
  await died;
  expect(await other).toBe('alive\n');
  expect(peers[0]?.signal('SIGCONT')).toBe(false);
  expect(peers[1]?.signal('SIGCONT')).toBe(true);
  await processes.kill(1);
});

it('runs clients on a host again that was killed', async ({ signal }) => {
  const processes = createHostProcesses(places);
  await processes.kill(0);
  expect(await processes.run(0, ['echo', 'back'], { signal })).toBe('back\n');
});

it('stops what runs on a stalled host, and what is started there, until it goes on', async ({ signal }) => {
  const processes = createHostProcesses(places);
  processes.setStalled(0, true);
  const peer = startProcess('a peer', ['sleep', '60'], { signal });
  processes.add(0, peer);
  await expect.poll(() => stateOf(peer.pid)).toBe('T');
  processes.setStalled(0, false);
  await expect.poll(() => stateOf(peer.pid)).toBe('S');
  await processes.kill(0);
});
