// What real nodes fetch over real connections, against the count of a script that shares no code with them.
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { countWrongBytes } from '../../packages/daemon/src/demo/compare-files.ts';
import { makeCorpus } from '../corpus/make-corpus.ts';
import { missingTools } from '../corpus/missing-tools.ts';
import { uniqueBytes } from '../dedup/unique-chunks.ts';
import { createCluster } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';

const missing = missingTools();
const SCALE = 4;
/** What the issue allows; whole pieces instead of the chunks that are missing would cost far more. */
const TOLERANCE = 0.02;

describe('a node that holds base, and a seeder that has ingested the whole family', () => {
  let cluster: Cluster;
  let seeder: Member;
  let store: string;

  beforeEach(({ skip }) =>
    skip(missing.length > 0, `not installed: ${missing.join(', ')} (Debian: qemu-utils, e2fsprogs)`),
  );
  beforeAll(async () => {
    if (missing.length > 0) return;
    cluster = await createCluster();
    store = join(cluster.root, 'store');
    await makeCorpus({ dir: store, scale: SCALE, seed: 1 });
    seeder = await cluster.startSeeder([store]);
  });
  afterAll(() => cluster?.stop());

  test.for([
    { held: 'base.qcow2', wanted: 'light.qcow2', cutter: 'fixed-64k' },
    { held: 'base.qcow2', wanted: 'app2.qcow2', cutter: 'fixed-64k' },
    { held: 'base.raw', wanted: 'app.qcow2', cutter: 'fixed-64k' },
    { held: 'base.c.qcow2', wanted: 'app.c.qcow2', cutter: 'cdc-64k' },
  ] as const)(
    'fetches of $wanted, holding $held, what the script counts, within 2 %',
    async ({ held, wanted, cutter }) => {
      const node = await cluster.startNode(`${held}-${wanted}`, ['--bootstrap', seeder.address, '--trust', seeder.id]);
      const destination = join(node.directory, wanted);
      await node.client.fetch({ image: held, destination: join(node.directory, held) });
      const { bytesBySource } = await node.client.fetch({ image: wanted, destination });
      const expected = await uniqueBytes([join(store, held)], join(store, wanted), cutter);
      const fetched = bytesBySource.peer + bytesBySource.seeder + bytesBySource.origin;
      expect(Math.abs(fetched - expected.bytes)).toBeLessThanOrEqual(TOLERANCE * expected.bytes);
      expect(await countWrongBytes(join(store, wanted), destination)).toBe(0);
      await node.process.stop();
    },
  );
});
