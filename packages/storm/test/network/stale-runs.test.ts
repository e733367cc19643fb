import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLifecycle, systemClock } from '@quarry/runtime';
import { expect, it, vi } from 'vitest';
import { createStormNetwork } from '../../src/network/create-storm-network.ts';
import { removeStaleRuns } from '../../src/network/stale-runs.ts';
import type { Place } from '../../src/storm-network.ts';
import { describeWithNetwork } from './describe-with-network.ts';
import { stormOf } from './storm-of.ts';

const MARKERS = '/run/quarry-storm';
const storm = stormOf({ zones: [2, 1], mbit: 20, originMbit: 20 });

function namespaceOf(place: Place | undefined): string {
  const path = /--net=(\S+)/.exec(place?.prefix.join(' ') ?? '')?.[1];
  if (path === undefined) throw new Error('the place has no namespace');
  return path;
}

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/ns/net`) && existsSync(`/proc/${pid}/exe`);
}

/** What a run left, by a namespace of it: names of namespaces, its marker. */
async function tracesOf(namespace: string): Promise<readonly string[]> {
  const run = /quarry-([^-]+)-/.exec(namespace)?.[1] ?? '';
  const names = [...(await readdir('/run/netns')), ...(await readdir(MARKERS))];
  return names.filter((name) => name.includes(run));
}

async function ownMarkers(): Promise<readonly string[]> {
  const names = await readdir(MARKERS).catch(() => []);
  const texts = await Promise.all(names.map((name) => readFile(join(MARKERS, name), 'utf8').catch(() => '')));
  return names.filter((_, index) => texts[index]?.includes(`"pid":${process.pid},`));
}

describeWithNetwork('what a run leaves behind', () => {
  it('is nothing when it closes', { timeout: 20_000 }, async () => {
    const lifecycle = createLifecycle();
    const runDirectory = await mkdtemp(join(tmpdir(), 'quarry-run-'));
    const network = await createStormNetwork(
      { clock: systemClock, lifecycle },
      { storm, signal: lifecycle.signal, runDirectory },
    );
    const namespace = namespaceOf(network.origin);
    const [command = '', ...prefix] = network.origin.prefix;
    const forgotten = spawn(command, [...prefix, 'sleep', '1000'], { stdio: 'ignore' });
    const ended = once(forgotten, 'close');
    expect((await tracesOf(namespace)).length).toBe(8); // fabric, origin, two racks, three hosts, marker
    await lifecycle.close();
    await ended;
    expect(await tracesOf(namespace)).toEqual([]);
    expect(existsSync(runDirectory)).toBe(false);
  });

  it('is nothing when it is given up half made', { timeout: 30_000 }, async () => {
    for (const isFarEnough of [
      async () => (await ownMarkers()).length > 0,
      async () => (await readdir('/run/netns')).some((name) => name.endsWith('-h300')),
      async () => (await tracesOf(`quarry-${(await ownMarkers())[0]?.replace('.json', '')}-`)).length > 100,
    ]) {
      const lifecycle = createLifecycle();
      const giveUp = new AbortController();
      const large = stormOf({ zones: [301], mbit: 20, originMbit: 20 });
      const making = createStormNetwork({ clock: systemClock, lifecycle }, { storm: large, signal: giveUp.signal });
      const outcome = making.then(
        () => 'made',
        (error: unknown) => error,
      );
      await vi.waitFor(async () => expect(await isFarEnough()).toBe(true), { interval: 1, timeout: 10_000 });
      const [marker = ''] = await ownMarkers();
      giveUp.abort(new Error('changed our mind'));
      await lifecycle.close();
      expect(await outcome).toEqual(new Error('changed our mind'));
      expect(await tracesOf(`quarry-${marker.replace('.json', '')}-`)).toEqual([]);
    }
  });

  it('is no process when it is killed, and nothing at all after the next', { timeout: 30_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quarry-run-'));
    const script = fileURLToPath(new URL('./run-and-hang.ts', import.meta.url));
    const harness = spawn(process.execPath, ['--conditions=source', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [data] = (await once(harness.stdout, 'data')) as [Buffer];
    const { place, own, shell, grandchild } = JSON.parse(data.toString());
    const namespace = namespaceOf(place);
    await removeStaleRuns({ clock: systemClock });
    expect([own, shell, grandchild].map(isRunning)).toEqual([true, true, true]); // it lives: not touched
    harness.kill('SIGKILL');
    await once(harness, 'exit');
    await vi.waitFor(() => expect([own, shell].map(isRunning)).toEqual([false, false]), {
      interval: 5,
      timeout: 5_000,
    });
    await removeStaleRuns({ clock: systemClock });
    expect(isRunning(grandchild)).toBe(false);
    expect(await tracesOf(namespace)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  it('is never a directory that may be somebody else’s', async () => {
    const lifecycle = createLifecycle();
    for (const runDirectory of ['/var/lib/glance', 'quarry-here', '/tmp/quarry-run/..']) {
      const options = { storm, signal: lifecycle.signal, runDirectory };
      await expect(createStormNetwork({ clock: systemClock, lifecycle }, options)).rejects.toMatchObject({
        code: 'STORM_BAD_ARGUMENT',
      });
    }
    await lifecycle.close();
  });
});
