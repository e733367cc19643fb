import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countWrongBytes } from '../../packages/daemon/src/demo/compare-files.ts';
import { makeImages } from '../../packages/daemon/src/demo/make-images.ts';
import type { DaemonStatus, FetchImageReport } from '../../packages/daemon/src/daemon.ts';
import { createCluster, runQuarry } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';

describe('a seeder that gets SIGTERM while nodes fetch', () => {
  let cluster: Cluster;
  let seeder: Member;
  let image: { readonly name: string; readonly path: string };
  let fetches: readonly Promise<FetchImageReport>[];

  /** Two nodes have begun to fetch 8 MiB at 4 MB/s. */
  beforeAll(async () => {
    cluster = await createCluster();
    const store = join(cluster.root, 'store');
    const [base] = await makeImages({ dir: store, seed: 7, baseBytes: 8 * 2 ** 20, snapshots: 0 });
    if (!base) throw new Error('no image was made');
    image = base;
    seeder = await cluster.startSeeder([store], ['--upload-rate', '4000000']);
    const flags = ['--bootstrap', seeder.address, '--trust', seeder.id];
    const nodes = await Promise.all(['node-a', 'node-b'].map((name) => cluster.startNode(name, flags)));
    let begin: () => void;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    fetches = nodes.map(({ client, directory }) =>
      client.fetch(
        { image: image.name, destination: join(directory, 'image.qcow2') },
        { onProgress: ({ step, doneBytes }) => (step === 'fetching' && doneBytes > 0 ? begin() : undefined) },
      ),
    );
    for (const fetch of fetches) fetch.catch(() => {});
    await begun;
  });
  afterAll(() => cluster.stop());

  test('says what it waits for, goes when they can do without it, and they get it bit for bit', async () => {
    process.kill(seeder.process.pid, 'SIGTERM');
    let status: DaemonStatus;
    do {
      await systemClock.sleep(20);
      status = await seeder.client.status();
    } while (!status.leaving);
    expect(status.leaving.mayLeave).toBe(false);
    const { out } = await runQuarry(['status', '--socket', join(seeder.directory, 'control.sock')]);
    expect(out).toMatch(/leaves {2}when nodes can do without it, .* nodes still need \d+ pieces/);
    for (const { destination } of await Promise.all(fetches))
      expect(await countWrongBytes(image.path, destination)).toBe(0);
    await seeder.process.ended;
  });
});
