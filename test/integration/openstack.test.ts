// What the façade relies on, asked of the real Glance, Keystone and Nova themselves: no Quarry in here.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAccessLog, readsOfImageData } from '../openstack/access-log.ts';
import { describeWithOpenStack } from '../openstack/describe-with-openstack.ts';
import { startNovaClient, type NovaClient } from '../openstack/nova-client.ts';
import { startCloud, type Cloud } from '../openstack/start-cloud.ts';

describeWithOpenStack('a real OpenStack for tests', () => {
  let dir: string;
  let cloud: Cloud;
  let nova: NovaClient;
  const bytes = randomBytes(300_000);

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'quarry-openstack-'));
    [cloud, nova] = await Promise.all([startCloud({ dir }), startNovaClient(dir)]);
  });

  afterAll(async () => {
    await Promise.all([cloud?.stop(), nova?.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  const makeImage = async (visibility: string): Promise<string> => {
    const image = { name: 'granite', diskFormat: 'raw', bytes, more: { visibility } } as const;
    return (await cloud.as(cloud.alice).createImage(image)).id;
  };

  test('a Range that starts at the end asks whether a token may download, and moves no byte of the image', async () => {
    const id = await makeImage('private');
    const probe = async (token: string | undefined): Promise<number> => {
      const headers = { range: `bytes=${bytes.length}-`, ...(token === undefined ? {} : { 'x-auth-token': token }) };
      const response = await fetch(`${cloud.glance.url}/v2/images/${id}/file`, { headers });
      await response.arrayBuffer();
      return response.status;
    };
    const { alice, bob, nova: admin } = cloud;
    expect(await probe(alice.token)).toBe(416);
    expect(await probe(admin.token)).toBe(416);
    expect(await probe(bob.token)).toBe(404);
    expect(await probe('nobody')).toBe(401);
    expect(await probe(undefined)).toBe(401);
    await cloud.as(alice).deactivate(id);
    expect(await probe(alice.token)).toBe(403);
    expect(await probe(admin.token)).toBe(416);
    expect(readsOfImageData(await readAccessLog(cloud.glance), id)).toEqual([]);
  });

  test('Nova makes the requests of an unshelve in the order that is known', async () => {
    const id = await makeImage('private');
    const path = join(dir, 'unshelved');
    await nova.at(cloud.glance.url, cloud.alice).unshelve(id, path);
    expect(await readFile(path)).toEqual(bytes);
    const requests = await readAccessLog(cloud.glance);
    const firstOfNova = requests.findLastIndex(({ method }) => method === 'PUT') + 2; // makeImage shows once more
    expect(requests.slice(firstOfNova).map(({ method, path: of }) => `${method} ${of.replace(id, 'ID')}`)).toEqual([
      'GET /v2/images/ID',
      'GET /v2/schemas/image',
      'GET /v2/images/ID',
      'GET /v2/images/ID/file',
      'GET /v2/images/ID',
      'GET /v2/schemas/image',
      'DELETE /v2/images/ID',
      expect.stringContaining('GET /healthcheck'),
    ]);
    expect(readsOfImageData(requests, id)).toHaveLength(1);
  });

  test('Nova shelves into a private image that names its base', async () => {
    const path = join(dir, 'snapshot');
    await writeFile(path, bytes);
    const base = await makeImage('private');
    const snapshot = { path, base, name: 'vm-shelved', instance: randomUUID(), format: 'raw' } as const;
    const id = await nova.at(cloud.glance.url, cloud.alice).shelve(snapshot);
    expect(await cloud.as(cloud.alice).getImage(id)).toMatchObject({
      status: 'active',
      visibility: 'private',
      size: bytes.length,
      base_image_ref: base,
    });
  });

  test('what Nova raises is told by the name of its class', async () => {
    const id = await makeImage('private');
    const ofBob = nova.at(cloud.glance.url, cloud.bob);
    await expect(ofBob.download(id, join(dir, 'never'))).rejects.toMatchObject({ exception: 'ImageNotFound' });
    await expect(ofBob.delete(id)).rejects.toMatchObject({ exception: 'ImageNotFound' });
  });

  test('Glance is back with its images after it was stopped and started again', async () => {
    const id = await makeImage('private');
    const { url } = cloud.glance;
    await cloud.glance.stop();
    await cloud.restartGlance();
    expect(cloud.glance.url).toBe(url);
    expect(await cloud.as(cloud.alice).getImage(id)).toMatchObject({ id, status: 'active' });
  });
});
