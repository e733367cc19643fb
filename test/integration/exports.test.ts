// The export socket before a real Glance and a real Keystone: whoever asks gets what Glance gives them, and nothing else.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithOpenStack } from '../openstack/describe-with-openstack.ts';
import type { Identity } from '../openstack/keystone-client.ts';
import { startCloud } from '../openstack/start-cloud.ts';
import type { Cloud } from '../openstack/start-cloud.ts';
import { createCluster } from './support/cluster.ts';
import type { Cluster } from './support/cluster.ts';

type Answer =
  | { readonly path: string; readonly id: string }
  | { readonly codes: readonly string[]; readonly text: string };

describeWithOpenStack('images as files', () => {
  let cluster: Cluster;
  let cloud: Cloud;
  let socketPath: string;
  let directory: string;
  const data = randomBytes(3 * 2 ** 20);

  beforeAll(async () => {
    cluster = await createCluster();
    await mkdir(join(cluster.root, 'cloud'));
    const policy = join(cluster.root, 'policy.yaml');
    // what may be seen and not read: nobody but an administrator downloads an image called `locked`
    await writeFile(policy, `"download_image": "role:admin or not 'locked':%(name)s"\n`);
    const glanceConfig = `[oslo_policy]\npolicy_file = ${policy}\n`;
    cloud = await startCloud({ dir: join(cluster.root, 'cloud'), glanceConfig });
    socketPath = join(cluster.root, 's');
    // neither an origin nor a token of its own
    const node = await cluster.startNode('node', ['--glance', cloud.glance.url, '--export-socket', socketPath]);
    directory = join(node.directory, 'exports');
  });
  afterAll(async () => {
    await cloud?.stop();
    await cluster?.stop();
  });

  const ask = (image: string, identity?: Identity): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = identity ? { 'X-Auth-Token': identity.token } : {};
      const request = http.request({ socketPath, method: 'POST', path: '/v1/export', headers }, (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('error', reject);
        response.on('end', () => {
          const last = JSON.parse(text.trim().split('\n').at(-1) ?? '') as {
            readonly result?: { readonly path: string; readonly id: string };
            readonly error?: { readonly codes: readonly string[] };
          };
          resolve(last.result ?? { codes: last.error?.codes ?? [], text });
        });
      });
      request.on('error', reject);
      request.end(JSON.stringify({ image }));
    });

  test('go to the project that owns them, and to no other, also when they lie in the store already', async () => {
    const { id } = await cloud.as(cloud.alice).createImage({ name: 'mine', diskFormat: 'raw', bytes: data });
    expect(await ask(id, cloud.bob)).toMatchObject({ codes: ['ORIGIN_NOT_FOUND'] });
    const given = await ask(id, cloud.alice);
    if (!('path' in given)) throw new Error(given.text);
    expect((await readFile(given.path)).equals(data)).toBe(true);
    expect(await ask(id, cloud.bob)).toMatchObject({ codes: ['ORIGIN_NOT_FOUND'] });
    expect(await ask(id)).toMatchObject({ codes: ['ORIGIN_UNAUTHORIZED'] });
    expect(await ask(id, { ...cloud.bob, token: 'no-token-of-anybody' })).toMatchObject({
      codes: ['ORIGIN_UNAUTHORIZED'],
    });
    expect(await readdir(directory)).toEqual([`${given.id}.img`]);
  });

  test('stay with Glance where it shows an image and lets nobody read it, and where it is deactivated', async () => {
    const glance = cloud.as(cloud.alice);
    const locked = await glance.createImage({ name: 'locked', diskFormat: 'raw', bytes: data });
    const before = await readdir(directory);
    expect((await glance.getImage(locked.id)).status).toBe('active');
    const refused = await ask(locked.id, cloud.alice);
    expect(refused).toMatchObject({ codes: ['DAEMON_READ_REFUSED'] });
    expect(JSON.stringify(refused)).not.toContain(cloud.alice.token);
    const { id } = await glance.createImage({ name: 'off', diskFormat: 'raw', bytes: data });
    await glance.deactivate(id);
    expect(await ask(id, cloud.alice)).toMatchObject({ codes: ['ORIGIN_FORBIDDEN'] });
    expect(await readdir(directory)).toEqual(before);
  });
});
