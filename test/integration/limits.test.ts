import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSeededRandom } from '@quarry/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCluster, runQuarry } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';

const IMAGE_BYTES = 8e6;
const RATE = 4e6;

describe('limits of a running daemon', () => {
  let cluster: Cluster;
  let seeder: Member;
  let node: Member;
  const at = (...path: string[]): string => join(cluster.root, ...path);
  const limits = (member: Member, ...words: string[]): ReturnType<typeof runQuarry> =>
    runQuarry(['limits', ...words, '--json', '--socket', join(member.directory, 'control.sock')]);
  const none = {
    uploadBytesPerSecond: null,
    downloadBytesPerSecond: null,
    originBytesPerSecond: null,
    originReads: null,
  };

  beforeAll(async () => {
    cluster = await createCluster();
    await mkdir(at('store'));
    const random = createSeededRandom(9);
    for (const name of ['one', 'two', 'three']) await writeFile(at('store', name), random.bytes(IMAGE_BYTES));
    seeder = await cluster.startSeeder([at('store')]);
    node = await cluster.startNode('node', ['--bootstrap', seeder.address, '--trust', seeder.id]);
  });
  afterAll(() => cluster.stop());

  const fetchTimed = async (image: string): Promise<number> => {
    const { fetchMs, wireBytesBySource } = await node.client.fetch({ image, destination: at(image) });
    expect(wireBytesBySource.seeder).toBe(IMAGE_BYTES);
    expect(Buffer.compare(await readFile(at(image)), await readFile(at('store', image)))).toBe(0);
    return fetchMs;
  };

  test.each([
    ['receives', 'one', () => node, '--download-rate'],
    ['sends', 'two', () => seeder, '--upload-rate'],
  ])('what one %s is held below the rate that was set while it ran', async (_, image, member, flag) => {
    expect(JSON.parse((await limits(member())).out)).toEqual(none);
    const set = await limits(member(), flag, '4MB/s');
    expect(set).toMatchObject({ code: 0, err: '' });
    const [name] = flag === '--upload-rate' ? ['uploadBytesPerSecond'] : ['downloadBytesPerSecond'];
    expect(JSON.parse(set.out)).toEqual({ ...none, [name as string]: RATE });
    // Above it nothing is said: this machine may be busy with other things.
    expect(await fetchTimed(image)).toBeGreaterThan(0.97 * ((IMAGE_BYTES * 1000) / RATE));
    expect(JSON.parse((await limits(member(), flag, 'unlimited')).out)).toEqual(none);
  });

  test('a limit that is lifted lets a fetch that waits under it go on at once', async () => {
    await limits(node, '--download-rate', '50kB/s'); // 160 s
    let began = (): void => {};
    const beginning = new Promise<void>((resolve) => {
      began = resolve;
    });
    const onProgress = ({ step }: { readonly step: string }): void => {
      if (step === 'fetching') began();
    };
    const fetching = node.client.fetch({ image: 'three', destination: at('three') }, { onProgress });
    await beginning;
    await limits(node, '--download-rate', 'unlimited', '--upload-rate', '1Gbit/s');
    expect((await fetching).fetchMs).toBeLessThan(60_000);
    const status = await node.client.status();
    expect(status.limits).toEqual({ ...none, uploadBytesPerSecond: 125e6 });
  });

  test('what is no rate is refused before anything changes, and who does not run has no limits', async () => {
    const refused = await limits(node, '--download-rate', 'fast', '--upload-rate', '5MB/s');
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('--download-rate');
    expect((await node.client.status()).limits.uploadBytesPerSecond).toBe(125e6);
    expect((await runQuarry(['limits', '--data', at('nobody')])).code).toBe(4);
    const help = await runQuarry(['limits', '--help']);
    for (const flag of ['--upload-rate', '--download-rate', '--origin-rate', '--origin-reads']) {
      expect(help.out).toContain(flag);
    }
  });
});
