// Half a minute of what `npm run storm -- --soak` does for hours: three hosts, one of which is restarted, also by SIGKILL.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createLifecycle, systemClock } from '@quarry/runtime';
import { expect, test } from 'vitest';
import { startStormGlance } from '../../packages/storm/src/glance/start-storm-glance.ts';
import { makeSourceImages } from '../../packages/storm/src/images/make-source-images.ts';
import { createStormNetwork } from '../../packages/storm/src/network/create-storm-network.ts';
import { runSoak, soakStorm } from '../../packages/storm/src/soak/run-soak.ts';
import { soakText } from '../../packages/storm/src/soak/soak-report.ts';
import { describeWithNetwork } from '../../packages/storm/test/network/describe-with-network.ts';

describeWithNetwork('a soak', () => {
  test('shelves, unshelves, deletes and restarts, loses no byte, and leaves nothing', { timeout: 180_000 }, async ({
    signal,
  }) => {
    const directory = await mkdtemp('/tmp/quarry-soak-');
    const lifecycle = createLifecycle();
    try {
      const storm = soakStorm({ hosts: 3, linkBytesPerSecond: 50e6 / 8, imageMiB: 4, seed: 2 });
      const report = await runSoak(
        {
          clock: systemClock,
          note: () => {},
          progress: () => {},
          createNetwork: () => createStormNetwork({ clock: systemClock, lifecycle }, { storm, signal }),
          makeImages: (path) => makeSourceImages(storm, { directory: path, content: 'random', seed: 2, signal }),
          startGlance: startStormGlance,
        },
        { storm, durationMs: 25_000, directory, signal },
      );
      expect(report, soakText(report)).toMatchObject({ failures: [], deaths: [], wrongBytes: 0, isGood: true });
      for (const kind of ['boot', 'shelve', 'unshelve', 'delete', 'restart'] as const)
        expect(report.done[kind], soakText(report)).toBeGreaterThan(0);
      expect(report.comparedBytes).toBe((report.done.boot + report.done.unshelve) * 4 * 2 ** 20);
      const quantities = report.verdicts.map(({ quantity }) => quantity);
      expect(quantities).toEqual(['rssMiB', 'pssMiB', 'openFiles', 'sockets', 'threads', 'diskMiB']);
      expect(report.verdicts.every(({ peak }) => peak > 0)).toBe(true);
      expect(await readdir(directory)).toEqual(['images']);
    } finally {
      await lifecycle.close();
      await rm(directory, { recursive: true });
    }
  });
});
