// A real Glance that dies, hangs or has lost data while a façade passes its bytes on: never a wrong byte, never silence for longer than the stall time.
import { randomUUID } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithOpenStack } from '../openstack/describe-with-openstack.ts';
import { createHttpCaller } from '../openstack/http-caller.ts';
import { makeBytes } from '../openstack/scenarios/made-bytes.ts';
import { startCloud, type Cloud } from '../openstack/start-cloud.ts';
import { createCluster, type Cluster } from './support/cluster.ts';
import { knows, startGatewayNode, type GatewayNode } from './support/gateway-node.ts';

const STALL_MS = 2_000;
/** What may come on top of the stall time on a busy machine. */
const SLACK_MS = 8_000;
/** More than all buffers between Glance and a client that does not read hold. */
const LARGE_BYTES = 48 * 2 ** 20;

describeWithOpenStack('a façade before a Glance in trouble', () => {
  let cluster: Cluster;
  let cloud: Cloud;
  let node: GatewayNode;
  const small = makeBytes('small', 1_500_000);
  const large = Buffer.concat(
    Array.from({ length: LARGE_BYTES / 2 ** 20 }, (_, i) => makeBytes(`large ${i}`, 2 ** 20)),
  );

  beforeAll(async () => {
    cluster = await createCluster();
    cloud = await startCloud({ dir: cluster.root });
    node = await startGatewayNode(cluster, 'node', cloud.glance.url, ['--gateway-stall', `${STALL_MS / 1000}s`]);
  });

  afterAll(async () => {
    await cluster?.stop();
    await cloud?.stop();
  });

  const makeImage = async (bytes: Uint8Array): Promise<string> => {
    const image = { name: randomUUID(), diskFormat: 'raw', bytes, more: { visibility: 'private' } } as const;
    return (await cloud.as(cloud.alice).createImage(image)).id;
  };
  const headers = (): Record<string, string> => ({ 'x-auth-token': cloud.alice.token });
  /** Resolves when the head of the answer is there; the body waits to be read. */
  const open = (id: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      get(`${node.url}/v2/images/${id}/file`, { headers: headers(), agent: false }, resolve).on('error', reject);
    });
  /** All that comes, and whether the connection said that it was all. */
  const readAll = async (answer: IncomingMessage): Promise<{ bytes: Buffer; isWhole: boolean }> => {
    const parts: Buffer[] = [];
    try {
      for await (const part of answer) parts.push(part as Buffer);
    } catch {
      // cut: `complete` says so
    }
    return { bytes: Buffer.concat(parts), isWhole: answer.complete };
  };
  const expectCut = async (answer: IncomingMessage, right: Buffer): Promise<void> => {
    const startedAtMs = performance.now();
    const { bytes, isWhole } = await readAll(answer);
    expect(isWhole).toBe(false);
    expect(bytes.length).toBeLessThan(right.length);
    expect(bytes.equals(right.subarray(0, bytes.length))).toBe(true);
    expect(performance.now() - startedAtMs).toBeLessThan(STALL_MS + SLACK_MS);
  };

  test('Glance dies in the middle of a download: it is cut, and whole when Glance is back', async () => {
    const id = await makeImage(large);
    const answer = await open(id);
    await cloud.glance.stop();
    await expectCut(answer, large);
    await cloud.restartGlance();
    const { bytes, isWhole } = await readAll(await open(id));
    expect(isWhole && bytes.equals(large)).toBe(true);
  });

  test('Glance hangs in the middle of a download: it is cut within the stall time', async () => {
    const bytes = Buffer.concat([large, small]);
    const answer = await open(await makeImage(bytes));
    await cloud.glance.pause();
    try {
      await expectCut(answer, bytes);
    } finally {
      cloud.glance.resume();
    }
  });

  test('a file that Glance has only a part of is cut, not padded', async () => {
    const id = await makeImage(makeBytes('truncated', 3_000_000));
    await truncate(join(cloud.glance.imagesDir, id), 1_000_000);
    await expectCut(await open(id), makeBytes('truncated', 3_000_000));
  });

  test('Glance hangs before its answer, or is gone: 503 with a Content-Type, which Nova asks again for', async () => {
    const id = await makeImage(makeBytes('never', 1_200_000));
    const caller = createHttpCaller(node.url);
    const ask = async (): Promise<void> => {
      const startedAtMs = performance.now();
      const answer = await caller.call('GET', `/v2/images/${id}/file`, { headers: headers() });
      expect(answer.status).toBe(503);
      expect(answer.headers['content-type']).toMatch(/^text\/plain/);
      expect(performance.now() - startedAtMs).toBeLessThan(STALL_MS + SLACK_MS);
    };
    await cloud.glance.pause();
    await ask();
    cloud.glance.resume();
    await cloud.glance.stop();
    await ask();
    await cloud.restartGlance();
    const answer = await caller.call('GET', `/v2/images/${id}/file`, { headers: headers() });
    expect(answer.body.equals(makeBytes('never', 1_200_000))).toBe(true);
    caller.close();
  });

  test('what a host has goes on when Glance dies after it has allowed the read', async () => {
    const bytes = Buffer.concat([makeBytes('kept', 2 ** 20), large]);
    const id = await makeImage(bytes);
    await readAll(await open(id));
    await knows(node, [id]);
    const answer = await open(id);
    await cloud.glance.stop();
    const { bytes: read, isWhole } = await readAll(answer);
    expect(isWhole && read.equals(bytes)).toBe(true);
    await cloud.restartGlance();
  });
});
