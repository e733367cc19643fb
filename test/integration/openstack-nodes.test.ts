// Hosts with a façade each before one real Glance: what was shelved on one of them is unshelved on another, without Glance.
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAccessLog, readsOfImageData } from '../openstack/access-log.ts';
import { describeWithOpenStack } from '../openstack/describe-with-openstack.ts';
import { startNovaClient, type NovaClient, type NovaImages } from '../openstack/nova-client.ts';
import { makeBytes } from '../openstack/scenarios/made-bytes.ts';
import { startCloud, type Cloud } from '../openstack/start-cloud.ts';
import { createCluster, type Cluster } from './support/cluster.ts';
import { knows, startGatewayNode, type GatewayNode } from './support/gateway-node.ts';

const NODES = 8;
const SNAPSHOTS = 40;
const MIB = 2 ** 20;

describeWithOpenStack('hosts with façades before a real Glance', () => {
  let cluster: Cluster;
  let cloud: Cloud;
  let nova: NovaClient;
  let baseId: string;
  const nodes: GatewayNode[] = [];
  const base = makeBytes('base', 2 * MIB);

  const novaOn = (node: GatewayNode): NovaImages => nova.at(node.url, cloud.alice);
  const nodeAt = (i: number): GatewayNode => {
    const node = nodes[i % NODES];
    if (node === undefined) throw new Error(`there is no node ${i}`);
    return node;
  };
  /** The base, of which the guest has overwritten a part, and as much again as it has written elsewhere. */
  const snapshotOf = (name: string): Buffer => {
    const written = makeBytes(name, MIB);
    return Buffer.concat([base.subarray(0, MIB), written.subarray(0, 64 * 1024), base.subarray(MIB), written]);
  };
  const shelve = async (node: GatewayNode, name: string): Promise<string> => {
    const path = join(cluster.root, `${name}.shelved`);
    await writeFile(path, snapshotOf(name));
    const id = await novaOn(node).shelve({ path, base: baseId, name, instance: randomUUID(), format: 'raw' });
    await rm(path);
    return id;
  };
  /** Rejects unless every byte is right. */
  const unshelve = async (node: GatewayNode, name: string, id: string, how?: { delete: boolean }): Promise<void> => {
    const path = join(cluster.root, `${name}-${node.url.slice(-5)}.unshelved`);
    await novaOn(node).unshelve(id, path, how);
    if (!(await readFile(path)).equals(snapshotOf(name))) throw new Error(`${name} came back with other bytes`);
    await rm(path);
  };
  /** Rejects unless every byte is right. */
  const read = async (node: GatewayNode, name: string, id: string): Promise<void> => {
    const url = `${node.url}/v2/images/${id}`;
    const headers = { 'x-auth-token': cloud.alice.token };
    expect(await (await fetch(url, { headers })).json()).toMatchObject({ id, status: 'active' });
    const data = await fetch(`${url}/file`, { headers });
    expect(data.status).toBe(200);
    if (!snapshotOf(name).equals(Buffer.from(await data.arrayBuffer()))) throw new Error(`${name} has other bytes`);
  };
  /** How many bytes of these images Glance has sent since the first `from` lines of its log, by that log. */
  const sentByGlance = async (images: readonly string[], from = 0): Promise<number> => {
    const requests = (await readAccessLog(cloud.glance)).slice(from);
    const reads = images.flatMap((id) => readsOfImageData(requests, id));
    return reads.reduce((sum, { answerBytes }) => sum + answerBytes, 0);
  };

  beforeAll(async () => {
    cluster = await createCluster();
    [cloud, nova] = await Promise.all([startCloud({ dir: cluster.root }), startNovaClient(cluster.root)]);
    const first = await startGatewayNode(cluster, 'node-0', cloud.glance.url);
    const others = Array.from({ length: NODES - 1 }, (_, i) =>
      startGatewayNode(cluster, `node-${i + 1}`, cloud.glance.url, ['--bootstrap', first.address]),
    );
    nodes.push(first, ...(await Promise.all(others)));
    const image = { name: 'base', diskFormat: 'raw', bytes: base, more: { visibility: 'public' } } as const;
    baseId = (await cloud.as(cloud.nova).createImage(image)).id;
  });

  afterAll(async () => {
    await cluster?.stop();
    await Promise.all([cloud?.stop(), nova?.stop()]);
  });

  test('every host has the base, most of them from each other', async () => {
    await novaOn(nodeAt(0)).download(baseId, join(cluster.root, 'base'));
    await knows(nodeAt(0), [baseId]);
    await Promise.all(nodes.map((node, i) => novaOn(node).download(baseId, join(cluster.root, `base-${i}`))));
    for (let i = 0; i < NODES; i += 1)
      expect((await readFile(join(cluster.root, `base-${i}`))).equals(base)).toBe(true);
    expect(await sentByGlance([baseId])).toBeLessThan((NODES / 2) * base.length);
  });

  test('what was shelved on one host is unshelved on another, and Glance sends none of it', async () => {
    const id = await shelve(nodeAt(0), 'one');
    await knows(nodeAt(0), [id]);
    await unshelve(nodeAt(1), 'one', id);
    expect(readsOfImageData(await readAccessLog(cloud.glance), id)).toEqual([]);
    await expect(cloud.as(cloud.alice).getImage(id)).rejects.toThrow('404'); // Nova has deleted it
  });

  test('another project finds nothing of it at any host, also where its chunks are', async () => {
    const id = await shelve(nodeAt(0), 'secret');
    await knows(nodeAt(0), [id]);
    for (const node of [nodeAt(0), nodeAt(1)]) {
      const ofBob = nova.at(node.url, cloud.bob);
      const path = join(cluster.root, 'never');
      await expect(ofBob.download(id, path)).rejects.toMatchObject({ exception: 'ImageNotFound' });
    }
    await unshelve(nodeAt(1), 'secret', id);
    expect(await sentByGlance([id])).toBe(0);
  });

  test(`${SNAPSHOTS} snapshots of one base, shelved through ${NODES} hosts, are unshelved on others at once without Glance`, async () => {
    const names = Array.from({ length: SNAPSHOTS }, (_, i) => `snapshot-${i}`);
    const ids = new Map<string, string>();
    await Promise.all(
      nodes.map(async (node, i) => {
        for (const name of names.filter((_, n) => n % NODES === i)) ids.set(name, await shelve(node, name));
      }),
    );
    const idOf = (name: string): string => ids.get(name) ?? '';
    await Promise.all(nodes.map((node, i) => knows(node, names.filter((_, n) => n % NODES === i).map(idOf))));
    // Forty reads at the same moment, five on each host, of what five others have shelved: show and data, as Nova asks for them.
    await Promise.all(names.map((name, n) => read(nodeAt(n + 2 + Math.floor(n / NODES)), name, idOf(name))));
    expect(await sentByGlance([...ids.values()])).toBe(0);
    // Then Nova itself, on all hosts at once and on others again: as many processes of it as images would be another test.
    await Promise.all(
      nodes.map(async (node, i) => {
        const theirs = names.filter((_, n) => (n + 1 + Math.floor(n / NODES)) % NODES === i);
        for (const name of theirs) await unshelve(node, name, idOf(name));
      }),
    );
    expect(await sentByGlance([...ids.values()])).toBe(0);
  });

  test('of a host that dies, Glance is asked for what nobody else had of it, and for nothing more', async () => {
    const names = ['left-0', 'left-1', 'left-2'];
    const ids = await Promise.all(names.map((name) => shelve(nodeAt(0), name)));
    await knows(nodeAt(0), ids);
    const [fetched = '', ...unique] = ids;
    await unshelve(nodeAt(1), 'left-0', fetched, { delete: false });
    await nodeAt(0).kill();
    await Promise.all(names.map((name, i) => unshelve(nodeAt(i + 2), name, ids[i] ?? '')));
    expect(await sentByGlance([fetched])).toBe(0);
    const uniqueBytes = unique.length * (snapshotOf('left-1').length - base.length);
    // The chunks that hold the edges of what was written are read as a whole.
    expect(await sentByGlance(unique)).toBeLessThan(1.25 * uniqueBytes);
    expect(await sentByGlance(unique)).toBeGreaterThan(0.9 * uniqueBytes);
  });
});
