// Nodes whose origin is a real Glance, with no seeder at all.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { countWrongBytes } from '../../packages/daemon/src/demo/compare-files.ts';
import { makeImages } from '../../packages/daemon/src/demo/make-images.ts';
import type { MadeImage } from '../../packages/daemon/src/demo/make-images.ts';
import { describeWithGlance } from '../glance/describe-with-glance.ts';
import { startGlance } from '../glance/start-glance.ts';
import type { Glance } from '../glance/start-glance.ts';
import { createCluster, runQuarry } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';

describeWithGlance('nodes before a real Glance', () => {
  let cluster: Cluster;
  let glance: Glance;
  let images: readonly MadeImage[];
  let first: Member;
  const ids: string[] = [];
  const originFlags = (): string[] => ['--origin', 'glance', '--origin-url', glance.url, '--origin-idle-timeout', '2s'];

  beforeAll(async () => {
    cluster = await createCluster();
    glance = await startGlance({ dir: join(cluster.root, 'glance') });
    images = await makeImages({ dir: join(cluster.root, 'source'), seed: 11, baseBytes: 6 * 2 ** 20, snapshots: 2 });
    for (const { name, path } of images) ids.push((await glance.createImage({ name, path, diskFormat: 'qcow2' })).id);
    first = await cluster.startNode('first', originFlags());
  });
  afterAll(async () => {
    await glance?.stop();
    await cluster.stop();
  });

  const fetchOf = async (node: Member, i: number): Promise<Awaited<ReturnType<Member['client']['fetch']>>> => {
    const destination = join(node.directory, `${i}.qcow2`);
    const report = await node.client.fetch({ image: ids[i] ?? '', destination, checkHash: true });
    expect(await countWrongBytes(images[i]?.path ?? '', destination)).toBe(0);
    return report;
  };

  test('the first takes an image from Glance, since nobody else has it, and checks Glance’s hash', async () => {
    const report = await fetchOf(first, 0);
    expect(report.bytesBySource.origin).toBeGreaterThan(0);
    expect(report.isHashChecked).toBe(true);
  });

  test('a second takes it from the first, and trusts it because Glance names the same hash', async () => {
    const second = await cluster.startNode('second', [...originFlags(), '--bootstrap', first.address]);
    const report = await fetchOf(second, 0);
    expect(report.bytesBySource).toMatchObject({ seeder: 0, origin: 0 });
    expect(report.bytesBySource.peer).toBeGreaterThan(0);
    await second.process.stop();
  });

  test('of another snapshot of the same base only what is new is kept twice', async () => {
    const before = (await first.client.status()).store.presentBytes;
    await fetchOf(first, 1);
    const grown = (await first.client.status()).store.presentBytes - before;
    expect(grown).toBeLessThan(0.3 * (images[1]?.sizeBytes ?? 0));
  });

  test('a seeder takes its images from Glance by reference, and gives them', async () => {
    const seeder = await cluster.startSeeder([ids[2] ?? ''], originFlags());
    const node = await cluster.startNode('third', ['--bootstrap', seeder.address, '--trust', seeder.id]);
    const report = await fetchOf(node, 2);
    expect(report.bytesBySource.seeder).toBeGreaterThan(0);
    await node.process.stop();
    await seeder.process.stop();
  });

  test('a deactivated, a deleted and an empty image each end with their own word, and Glance hanging does not hang us', async () => {
    const flags = ['--socket', join(first.directory, 'control.sock'), '--json'];
    const path = join(cluster.root, 'tiny');
    await writeFile(path, 'tiny');
    const made = await glance.createImage({ name: 'tiny', path, diskFormat: 'raw' });
    const codeOf = async (image: string): Promise<{ code: string; exit: number | null }> => {
      const { err, code } = await runQuarry(['fetch', image, join(cluster.root, 'never'), ...flags]);
      return { code: (JSON.parse(err) as { error: { code: string } }).error.code, exit: code };
    };
    await glance.deactivate(made.id);
    expect((await codeOf(made.id)).exit).toBe(4);
    await glance.delete(made.id);
    expect((await codeOf(made.id)).exit).toBe(3);
    expect((await codeOf('00000000-0000-4000-8000-000000000000')).exit).toBe(3);
    await glance.pause();
    try {
      expect((await codeOf(ids[2] ?? '')).exit).toBe(4); // nobody here has it, and the only origin is silent
    } finally {
      glance.resume();
    }
  });
});
