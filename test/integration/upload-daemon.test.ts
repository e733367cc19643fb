// Uploads through real daemons: what is published, and what becomes of one in whose middle the daemon is killed.
import { once } from 'node:events';
import http from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startUploadGlance, type UploadGlance } from '../../packages/gateway/test/upload/support/upload-glance.ts';
import { blocks } from '../../packages/gateway/test/upload/support/upload-gateway.ts';
import { uploadLikeNova, type RawAnswer } from '../../packages/gateway/test/upload/support/upload-like-nova.ts';
import { findFreePort } from '../glance/free-port.ts';
import { createCluster, type Cluster, type Member } from './support/cluster.ts';

const MIB = 2 ** 20;

describe('an upload through a daemon', () => {
  let glance: UploadGlance;
  let cluster: Cluster;
  let port: number;

  beforeEach(async () => {
    glance = await startUploadGlance();
    cluster = await createCluster();
    port = await findFreePort();
  });

  afterEach(async () => {
    await cluster.stop();
    await glance.stop();
  });

  const start = (...flags: string[]): Promise<Member> =>
    cluster.startNode('host', ['--gateway', `127.0.0.1:${port}`, '--glance', glance.url, ...flags]);

  const put = (id: string, requestId: string): Promise<RawAnswer> =>
    uploadLikeNova({
      url: `http://127.0.0.1:${port}`,
      path: `/v2/images/${id}/file`,
      headers: { 'X-OpenStack-Request-ID': requestId },
      bytes: blocks(8 * MIB),
    });

  test.for([['false'], ['true']] as const)('is in its chunks and with Glance; with a spool: %s', async ([spool]) => {
    const { directory } = await start('--spool', spool);
    const { id } = glance.add();
    expect((await put(id, 'req-1')).status).toBe(204);
    expect(glance.data.get(id)?.equals(Buffer.concat([...blocks(8 * MIB)]))).toBe(true);
    const { out } = await cluster.run('images', '--json', '--data', directory);
    expect(out).toContain(id);
  });

  test('that was cut off when the daemon was killed is not taken for a whole one by the next daemon', async () => {
    const host = await start();
    const { id } = glance.add();
    const reading = new Promise<void>((resolve) => {
      glance.puts = [
        async (scene) => {
          await scene.read(MIB);
          resolve();
        },
        (scene) => scene.take(),
      ];
    });
    const headers = { 'X-OpenStack-Request-ID': 'req-1' };
    const request = http.request(`http://127.0.0.1:${port}/v2/images/${id}/file`, { method: 'PUT', headers });
    const broken = once(request, 'error');
    request.write(Buffer.alloc(4 * MIB));
    await reading;
    await host.kill();
    await broken;
    await start();
    expect((await put(id, 'req-1')).status).toBe(502);
    expect(glance.data.size).toBe(0);
    expect((await put(id, 'req-2')).status).toBe(204);
  });
});
