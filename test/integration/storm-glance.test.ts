// The Glance of a storm: the embedded one as an origin, by the laws of the port; and a real one in its place.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { imageRef } from '@quarry/content';
import type { ImageRef } from '@quarry/content';
import { originSuite } from '@quarry/content/conformance';
import { createGlanceOrigin } from '@quarry/origin';
import { createLifecycle, createSeededRandom, systemClock } from '@quarry/runtime';
import { curlArguments, runToEnd, startStormGlance, unshelveRequests } from '@quarry/storm';
import { expect, test } from 'vitest';
import { createEmbeddedGlance } from '../../packages/storm/src/glance/embedded-glance.ts';
import { createImageTable } from '../../packages/storm/src/glance/image-table.ts';
import { makeSourceImages } from '../../packages/storm/src/images/make-source-images.ts';
import { createStormNetwork } from '../../packages/storm/src/network/create-storm-network.ts';
import { describeWithNetwork } from '../../packages/storm/test/network/describe-with-network.ts';
import { smallStorm } from '../../packages/storm/test/support/small-storm.ts';
import { createGlanceClient } from '../glance/glance-client.ts';
import { isGlanceInstalled } from '../glance/start-glance.ts';

originSuite('the embedded Glance over HTTP', {
  capabilities: { canList: true, hasRanges: true, hasHashes: true, isReplaceable: false },
  async create() {
    const storeDirectory = await mkdtemp(join(tmpdir(), 'quarry-embedded-'));
    const token = randomUUID();
    const table = createImageTable({ now: () => systemClock.wallMs() }, { owner: 'alpha' });
    const { server } = createEmbeddedGlance({ clock: systemClock, table }, { token, storeDirectory, readDelayMs: 0 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = createGlanceClient(url, token);
    const origin = createGlanceOrigin({ clock: systemClock, token: async () => token }, { url });
    return {
      origin,
      put: async (bytes): Promise<ImageRef> =>
        imageRef((await client.createImage({ name: 'vm-shelved', diskFormat: 'raw', bytes })).id),
      remove: (ref) => client.delete(ref),
      async dispose() {
        await origin.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
        await rm(storeDirectory, { recursive: true });
      },
    };
  },
});

const title = 'a real Glance in a storm';
describeWithNetwork(
  isGlanceInstalled() ? title : `${title} (not installed: run deploy/install-test-packages.sh)`,
  () => {
    test.skipIf(!isGlanceInstalled())('has the images, gives them to hosts, and does not fail on demand', async () => {
      const lifecycle = createLifecycle();
      const { signal } = lifecycle;
      const directory = await mkdtemp(join(tmpdir(), 'quarry-rg-'));
      try {
        const storm = smallStorm('', { nodes: 2 });
        const images = await makeSourceImages(storm, {
          directory: join(directory, 'images'),
          content: 'random',
          seed: 1,
          signal,
        });
        const network = await createStormNetwork({ clock: systemClock, lifecycle }, { storm, signal });
        const tools = { clock: systemClock, random: createSeededRandom(1), note: () => {}, signal, lifecycle };
        const glance = await startStormGlance({ ...tools, storm, network, images, directory }, { kind: 'real' });
        const id = glance.id(0) ?? '';
        const file = join(directory, 'received');
        const words = curlArguments(unshelveRequests(id, { isDeleted: false }), { ...glance, file });
        await runToEnd(['curl', ...words], { signal, prefix: network.hosts[0]?.prefix ?? [] });
        expect(await images.countWrongBytes(0, file, { signal })).toBe(0);
        expect((await readFile(join(glance.storeDirectory, id))).equals(await readFile(file))).toBe(true);
        await expect.poll(() => glance.sentBytes({ signal })).toBeGreaterThanOrEqual(2 ** 20);
        expect(await glance.sentBytes({ signal })).toBeLessThan(2 ** 20 + 1000);
        await expect(glance.setFailing('errors', { signal })).rejects.toMatchObject({ code: 'STORM_UNSUPPORTED' });
        await glance.setFailing(undefined, { signal });
      } finally {
        await lifecycle.close();
        await rm(directory, { recursive: true, force: true });
      }
    });
  },
);
