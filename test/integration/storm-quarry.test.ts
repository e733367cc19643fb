// Real daemons in real namespaces with shaped links, as the storm harness starts them: every byte is right, also where hosts die and where they lie.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createControlClient } from '@quarry/daemon';
import { createLifecycle, createSeededRandom, systemClock } from '@quarry/runtime';
import type { Lifecycle } from '@quarry/runtime';
import { expandScenario, scenarioFrom } from '@quarry/scenario';
import type { Storm, StormFault } from '@quarry/scenario';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Attempt } from '../../packages/storm/src/contestant.ts';
import { createQuarry } from '../../packages/storm/src/contestants/quarry.ts';
import { startStormGlance } from '../../packages/storm/src/glance/start-storm-glance.ts';
import { makeSourceImages } from '../../packages/storm/src/images/make-source-images.ts';
import { createStormNetwork } from '../../packages/storm/src/network/create-storm-network.ts';
import { makeDaemonBundle } from '../../packages/storm/src/quarry/make-bundle.ts';
import type { SourceImages } from '../../packages/storm/src/source-images.ts';
import type { StormNetwork } from '../../packages/storm/src/storm-network.ts';
import { describeWithNetwork } from '../../packages/storm/test/network/describe-with-network.ts';

const signal = new AbortController().signal;

/** Four hosts in two racks, an image of 4 MiB. */
const stormOf = (more: string): Storm => {
  const text = `about = "small"
[hosts]
count = 4
link = "40Mbit/s"
[zones]
hostsPerZone = 2
[[images]]
name = "image"
size = "4MiB"
[[unshelves]]
images = "image"
${more}`;
  return expandScenario(scenarioFrom(text, 'small.toml'), { seed: 1 });
};

interface Played {
  readonly attempt: Attempt;
  readonly images: SourceImages;
  readonly network: StormNetwork;
  readonly directory: string;
  /** Unshelves on a host and says how many bytes are wrong. */
  unshelve(host: number, image?: number): Promise<number>;
}

describeWithNetwork('Quarry in a storm', () => {
  let root: string;
  let bundle: string;
  let lifecycle: Lifecycle;

  const prepare = async (storm: Storm): Promise<Played> => {
    const directory = await mkdtemp(join(root, 'q-'));
    const network = await createStormNetwork({ clock: systemClock, lifecycle }, { storm, signal });
    const images = await makeSourceImages(storm, {
      directory: join(directory, 'images'),
      content: 'random',
      seed: 1,
      signal,
    });
    const stage = {
      storm,
      network,
      images,
      lifecycle,
      signal,
      clock: systemClock,
      random: createSeededRandom(1),
      directory: join(directory, 'c'),
      note: () => {},
    };
    await mkdir(stage.directory);
    const glance = await startStormGlance(stage);
    const attempt = await createQuarry({ bundle }).prepare({ ...stage, glance });
    await network.shape({ signal });
    let files = 0;
    const unshelve = async (host: number, image = 0): Promise<number> => {
      const file = join(directory, `out-${(files += 1)}`);
      await attempt.unshelve({ host, image, atMs: 0 }, file, { signal });
      return await images.countWrongBytes(image, file, { signal });
    };
    return { attempt, images, network, directory: join(directory, 'c'), unshelve };
  };
  const statusOf = ({ directory }: Played, host: number) =>
    createControlClient(join(directory, `n${host}`, 'control.sock')).status({ signal });

  beforeAll(async () => {
    root = await mkdtemp('/tmp/quarry-storm-test-');
    bundle = await makeDaemonBundle(join(root, 'bundle'), { isLiar: false, signal });
  });
  beforeEach(() => {
    lifecycle = createLifecycle();
  });
  afterEach(() => lifecycle.close());
  afterAll(() => rm(root, { recursive: true, force: true, maxRetries: 3 }));

  test('the same image everywhere: every byte is right, and the store sends it about once', async () => {
    const played = await prepare(stormOf(''));
    const before = await played.network.counters({ signal });
    expect(await Promise.all([0, 1, 2, 3].map((host) => played.unshelve(host)))).toEqual([0, 0, 0, 0]);
    const { originOut } = await played.network.counters({ signal });
    const sent = originOut.bytes - before.originOut.bytes - 66 * (originOut.packets - before.originOut.packets);
    expect(sent / 2 ** 20).toBeGreaterThan(4);
    expect(sent / 2 ** 20).toBeLessThan(8); // four hosts would be 16
    const { sources, criticalPath } = await played.attempt.account({ signal });
    for (const { local, rack, peer, seeder, origin } of sources ?? [])
      expect(local + rack + peer + seeder + origin).toBe(4 * 2 ** 20);
    expect(sources).toHaveLength(4);
    expect(criticalPath?.[0]).toMatch(/^h\d had its image at /);
    const names = played.attempt.processes().map(({ host, name }) => `${name} ${host}`);
    expect(names.toSorted((a, b) => a.localeCompare(b))).toEqual([
      'node 0',
      'node 1',
      'node 2',
      'node 3',
      'seeder undefined',
    ]);
  });

  test('a host that is killed fails alone, and has its image once it is back', async () => {
    const played = await prepare(stormOf(''));
    const unshelves = [0, 1, 2, 3].map((host) => played.unshelve(host));
    const dies = expect(unshelves[2]).rejects.toMatchObject({ code: 'STORM_PART_FAILED' });
    const kill: StormFault = { kind: 'kill', host: 2, atMs: 0 };
    expect(await played.attempt.fault(kill, { signal })).toBe(true);
    await dies;
    expect(played.attempt.processes().some(({ host }) => host === 2)).toBe(false);
    expect(await Promise.all(unshelves.filter((_, host) => host !== 2))).toEqual([0, 0, 0]);
    await played.attempt.fault({ kind: 'restart', host: 2, atMs: 0, tornChunks: 0 }, { signal });
    expect(await played.unshelve(2)).toBe(0);
    expect(await played.attempt.fault({ kind: 'slowCpu', host: 1, atMs: 0, untilMs: 1, factor: 0.5 }, { signal })).toBe(
      false,
    );
  });

  test('a host that is served by a liar has the right bytes all the same, and bans the liar', async () => {
    // what only the liar holds all others must ask it for
    const cached =
      '[[cached]]\nimages = "image"\nwhere = "elsewhere"\n[[faults]]\nkind = "lie"\nhosts = 1\nlie = "badChunks"';
    const found = stormOf(`count = 1\n${cached}`);
    const holder = found.holdings[0]?.host ?? -1;
    const lie: StormFault = { kind: 'lie', host: holder, atMs: 0, lie: 'badChunks' };
    const played = await prepare({ ...found, faults: [lie] });
    const victim = [0, 1, 2, 3].find((host) => host !== holder) ?? -1;
    const { nodeId } = await statusOf(played, holder);
    expect(await played.attempt.fault(lie, { signal })).toBe(true);
    expect(await played.unshelve(victim)).toBe(0);
    const banned = JSON.parse(await readFile(join(played.directory, `n${victim}`, 'banned.json'), 'utf8'));
    expect(banned).toEqual([expect.objectContaining({ peer: nodeId })]);
  });
});
