import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createSeededRandom, systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countWrongBytes } from '../../packages/daemon/src/demo/compare-files.ts';
import { makeImages } from '../../packages/daemon/src/demo/make-images.ts';
import { countUniqueBytes } from '../../packages/daemon/src/demo/unique-bytes.ts';
import { storeDefaults } from '../../packages/store/src/options.ts';
import { createCluster } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';

const KILLS = 20;
const RATE_BYTES_PER_SECOND = 16e6;
const BASE_BYTES = 12 * 2 ** 20;

describe('a fetching node killed by SIGKILL', () => {
  let cluster: Cluster;
  let seeder: Member;
  let image: { readonly name: string; readonly path: string };
  let uniqueBytes: number;

  beforeAll(async () => {
    cluster = await createCluster();
    const store = join(cluster.root, 'store');
    const [base] = await makeImages({ dir: store, seed: 7, baseBytes: BASE_BYTES, snapshots: 0 });
    if (!base) throw new Error('no image was made');
    image = base;
    uniqueBytes = await countUniqueBytes([image.path]);
    seeder = await cluster.startSeeder([store], ['--upload-rate', `${RATE_BYTES_PER_SECOND}`]);
  });
  afterAll(() => cluster.stop());

  const random = createSeededRandom(20);
  const fetchMs = (BASE_BYTES / RATE_BYTES_PER_SECOND) * 1000;
  const instants = Array.from({ length: KILLS }, (_, i) => ({
    kill: i + 1,
    afterMs: Math.round(random.next() * 1.2 * fetchMs),
  }));

  test.each(instants)(
    'after $afterMs ms finishes when started again, and fetches again no more than the unsynced tail ($kill)',
    async ({ kill, afterMs }) => {
      const name = `victim-${kill}`;
      const flags = ['--bootstrap', seeder.address, '--trust', seeder.id];
      const destination = join(cluster.root, name, 'image.qcow2');
      const request = { image: image.name, destination };

      const first = await cluster.startNode(name, flags);
      let received = 0;
      const started = new Promise<void>((resolve) => {
        first.client
          .fetch(request, {
            onProgress: (progress) => {
              resolve();
              if (progress.step === 'fetching') received = Math.max(received, progress.doneBytes);
            },
          })
          .then(
            () => resolve(),
            () => resolve(),
          );
      });
      await started;
      await systemClock.sleep(afterMs);
      const receivedBeforeKill = received;
      await first.kill();
      const wasWhole = (await readdir(join(cluster.root, name))).includes('image.qcow2');
      if (wasWhole) expect(await countWrongBytes(image.path, destination)).toBe(0);

      const second = await cluster.startNode(name, flags);
      const keptBytes = (await second.client.status()).store.presentBytes;
      const report = await second.client.fetch({ ...request, overwrite: true });
      const { peer, seeder: fromSeeder, origin } = report.bytesBySource;
      const refetched = peer + fromSeeder + origin;

      expect(await countWrongBytes(image.path, destination)).toBe(0);
      // what is on disk and believed is not fetched again
      expect(refetched).toBeLessThanOrEqual(uniqueBytes - keptBytes + 2 ** 16);
      // what had arrived and was lost is what could not be durable yet: what arrived since the last sync began
      const tailBytes =
        Math.min(storeDefaults.syncBytes, (2 * storeDefaults.syncDelayMs * RATE_BYTES_PER_SECOND) / 1000) + 2 * 2 ** 20;
      expect(receivedBeforeKill - keptBytes).toBeLessThanOrEqual(tailBytes);
      expect((await readdir(join(cluster.root, name))).filter((file) => file.endsWith('.part'))).toEqual([]);
      await second.process.stop();
    },
  );
});
