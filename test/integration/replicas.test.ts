// A host that shelved an instance and died: what others were asked to keep of it brings the instance back without the store.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithGlance } from '../glance/describe-with-glance.ts';
import { createGlanceClient } from '../glance/glance-client.ts';
import { startGlance } from '../glance/start-glance.ts';
import type { Glance } from '../glance/start-glance.ts';
import { readAccessLog, readsOfImageData } from '../openstack/access-log.ts';
import { makeBytes } from '../openstack/scenarios/made-bytes.ts';
import { createCluster } from './support/cluster.ts';
import type { Cluster, Member } from './support/cluster.ts';
import { startGatewayNode } from './support/gateway-node.ts';
import type { GatewayNode } from './support/gateway-node.ts';

const IMAGE_BYTES = 4 * 2 ** 20;

/** Until it is so; the test's own limit ends it. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 100));
}

describeWithGlance('an image that is shelved on a host with a replica', () => {
  let cluster: Cluster;
  let glance: Glance;
  let shelver: GatewayNode;
  let others: readonly GatewayNode[];
  const presentBytes = async (node: Member): Promise<number> => (await node.client.status()).store.presentBytes;
  const sentByGlance = async (id: string): Promise<number> =>
    readsOfImageData(await readAccessLog(glance), id).reduce((sum, { answerBytes }) => sum + answerBytes, 0);

  beforeAll(async () => {
    cluster = await createCluster();
    glance = await startGlance({ dir: join(cluster.root, 'glance') });
    const start = (name: string, zone: string, flags: readonly string[] = []): Promise<GatewayNode> =>
      startGatewayNode(cluster, name, glance.url, ['--zone', zone, ...flags]);
    shelver = await start('shelver', 'a', ['--replicas', '1']);
    const join1 = ['--bootstrap', shelver.address];
    others = await Promise.all([start('neighbour', 'a', join1), start('far', 'b', join1)]);
    await eventually(async () => (await shelver.client.status()).members === 3);
    await eventually(async () => (await (others[0] as Member).client.status()).members === 3);
  });

  afterAll(async () => {
    await cluster?.stop();
    await glance?.stop();
  });

  test('is kept by a node of another zone, and read from there when the host is dead', async () => {
    const bytes = makeBytes('shelved', IMAGE_BYTES);
    const image = { name: 'shelved', diskFormat: 'raw', bytes } as const;
    const { id } = await createGlanceClient(shelver.url).createImage(image);
    const [neighbour, far] = others as [GatewayNode, GatewayNode];
    await eventually(async () => (await presentBytes(far)) === IMAGE_BYTES);
    expect(await presentBytes(neighbour)).toBe(0);
    await shelver.kill();
    const data = await fetch(`${neighbour.url}/v2/images/${id}/file`);
    expect(data.status).toBe(200);
    expect(bytes.equals(Buffer.from(await data.arrayBuffer()))).toBe(true);
    expect(await sentByGlance(id)).toBe(0);
  }, 120_000);
});
