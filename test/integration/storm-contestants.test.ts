import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLifecycle, systemClock, systemRandom } from '@quarry/runtime';
import { expandScenario, scenarioFrom } from '@quarry/scenario';
import { createStormNetwork, whyNoStormNetwork } from '@quarry/storm';
import { afterEach, describe, expect, it } from 'vitest';
import { createAria2 } from '../../packages/storm/src/contestants/aria2.ts';
import { createDirect } from '../../packages/storm/src/contestants/direct.ts';
import { createLibtorrent } from '../../packages/storm/src/contestants/libtorrent.ts';
import { createRackCache } from '../../packages/storm/src/contestants/rack-cache.ts';
import { createSharedFile } from '../../packages/storm/src/contestants/shared-file.ts';
import { makeSourceImages } from '../../packages/storm/src/images/make-source-images.ts';
import { startStormGlance } from '../../packages/storm/src/glance/start-storm-glance.ts';

const storm = expandScenario(
  scenarioFrom(
    `about = "small"
[hosts]
count = 3
link = "100Mbit/s"
[[images]]
name = "image"
size = "2MiB"
[[unshelves]]
images = "image"
`,
    'small.toml',
  ),
  { seed: 1 },
);
const { signal } = new AbortController();
const why = whyNoStormNetwork();
const contestants = [createDirect(), createRackCache(), createSharedFile(), createAria2(), createLibtorrent()];
const missing = await Promise.all(contestants.map((contestant) => contestant.whyNot(storm, { signal })));

describe('contestants', () => {
  const lifecycles: ReturnType<typeof createLifecycle>[] = [];
  afterEach(async () => {
    for (const lifecycle of lifecycles.splice(0)) await lifecycle.close();
  });

  for (const [i, contestant] of contestants.entries()) {
    const whyNot = why ?? missing[i];
    const title = `${contestant.name} brings an image to every host, twice to one, byte for byte`;
    it.skipIf(whyNot !== undefined)(whyNot === undefined ? title : `${title} (${whyNot})`, async () => {
      const lifecycle = createLifecycle();
      lifecycles.push(lifecycle);
      const directory = await mkdtemp(join(tmpdir(), 'q-'));
      lifecycle.onClose('the directory', () => rm(directory, { recursive: true, force: true }));
      const own = join(directory, 'own');
      await Promise.all([mkdir(own), mkdir(join(directory, 'received'))]);
      const options = { directory: join(directory, 'images'), content: 'random', seed: 1, signal } as const;
      const images = await makeSourceImages(storm, options);
      const network = await createStormNetwork({ clock: systemClock, lifecycle }, { storm, signal });
      const running = createLifecycle();
      lifecycle.onClose('what runs', () => running.close());
      const stage = {
        storm,
        network,
        images,
        signal,
        directory: own,
        clock: systemClock,
        random: systemRandom,
        lifecycle: running,
        note: () => {},
      };
      const attempt = await contestant.prepare({ ...stage, glance: await startStormGlance(stage) });
      await network.shape({ signal });
      const file = (name: number): string => join(directory, 'received', String(name));
      const unshelves = [0, 1, 2, 2].map((host, n) =>
        attempt.unshelve({ host, image: 0, atMs: 0 }, file(n), { signal }),
      );
      await Promise.all(unshelves);
      const wrong = await Promise.all([0, 1, 2, 3].map((n) => images.countWrongBytes(0, file(n), { signal })));
      expect(wrong).toEqual([0, 0, 0, 0]);
      for (const { pid } of attempt.processes()) expect(() => process.kill(pid, 0)).not.toThrow();
      const { originOut } = await network.counters({ signal });
      expect(originOut.bytes).toBeGreaterThan(2 * 2 ** 20);
    });
  }
});
