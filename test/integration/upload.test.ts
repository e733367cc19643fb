// Uploads through the façade to a real Glance, sent as Nova sends them.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createGateway, openSpool, type Gateway, type Spool } from '../../packages/gateway/src/index.ts';
import { createTakingImages, type TakingImages } from '../../packages/gateway/test/upload/support/taking-images.ts';
import { blocks, startUploadGateway } from '../../packages/gateway/test/upload/support/upload-gateway.ts';
import { uploadLikeNova } from '../../packages/gateway/test/upload/support/upload-like-nova.ts';
import { createGlanceClient, type GlanceClient } from '../glance/glance-client.ts';
import { describeWithGlance } from '../glance/describe-with-glance.ts';
import { startGlance, type Glance } from '../glance/start-glance.ts';

const run = promisify(execFile);
const MIB = 2 ** 20;
const extraConfig = `[DEFAULT]\nimage_size_cap = ${16 * MIB}\n`;
const PATCH = 'application/openstack-images-v2.1-json-patch';

describeWithGlance('an upload through the gateway', () => {
  let dir: string;
  let glance: Glance;
  let images: TakingImages;
  let gateway: Gateway | undefined;
  let url: string;
  let client: GlanceClient;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'quarry-upload-'));
    glance = await startGlance({ dir, extraConfig });
  });

  afterEach(async () => {
    await gateway?.close({ graceMs: 0 });
    gateway = undefined;
  });

  afterAll(async () => {
    await glance?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function open(spool?: Spool): Promise<void> {
    images = createTakingImages();
    const observer = { answered: () => {}, served: () => {}, uploaded: () => {} };
    const deps = { images, observer, clock: systemClock, random: systemRandom, logger: silentLogger, spool };
    gateway = createGateway(deps, { glance: { url: glance.url } });
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    url = `http://127.0.0.1:${port}`;
    client = createGlanceClient(url);
  }

  /** As Nova: created without formats, which a PATCH brings. */
  async function createQueued(): Promise<string> {
    const created = await fetch(`${url}/v2/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'vm-shelved', visibility: 'private', image_type: 'snapshot' }),
    });
    const { id } = (await created.json()) as { id: string };
    const changes = ['disk_format', 'container_format'].map((name) => {
      return { op: 'replace', path: `/${name}`, value: name === 'disk_format' ? 'raw' : 'bare' };
    });
    const body = JSON.stringify(changes);
    const patched = await fetch(`${url}/v2/images/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': PATCH },
      body,
    });
    expect([created.status, patched.status]).toEqual([201, 200]);
    return id;
  }

  const put = (to: string, id: string, bytes: number, headers: Record<string, string> = {}) =>
    uploadLikeNova({ url: to, path: `/v2/images/${id}/file`, headers, bytes: blocks(bytes) });

  async function statusOf(id: string): Promise<string> {
    return (await client.getImage(id)).status;
  }

  test('is what Glance has, and what this host has; a second one is a 409', async () => {
    await open();
    const id = await createQueued();
    const sent = 9 * MIB + 11;
    expect((await put(url, id, sent)).status).toBe(204);
    const whole = Buffer.concat([...blocks(sent)]);
    const record = await client.getImage(id);
    const hash = createHash('sha512').update(whole).digest('hex');
    expect(record).toMatchObject({ status: 'active', size: sent, os_hash_algo: 'sha512', os_hash_value: hash });
    expect(images.published.get(id)?.bytes.equals(whole)).toBe(true);
    expect(images.published.get(id)?.image.domain).toBe('project:unowned');
    const again = await put(url, id, 2 * MIB);
    expect([again.status, again.headers['x-openstack-request-id']]).toEqual([409, expect.stringMatching(/^req-/)]);
    expect((await client.getImage(id)).os_hash_value).toBe(hash);
    await client.delete(id);
    expect(images.forgotten.map(({ ref, imageBytes }) => [ref, imageBytes])).toEqual([[id, sent]]);
  });

  test('that is refused is refused as straight by Glance', async () => {
    await open();
    const nobody = '1c6b6b63-6f37-4d4a-9d6e-2f0f8b2f6a10';
    const answers = async (to: string): Promise<unknown[]> => {
      const id = await createQueued();
      const all = [
        await put(to, id, MIB, { 'Content-Type': 'text/plain' }),
        await put(to, nobody, MIB),
        await put(to, id, 40 * MIB), // more than image_size_cap: in the middle
        await put(to, id, MIB),
        await put(to, id, MIB),
      ];
      return all.map(({ status, body, headers }) => [status, body.replaceAll(id, 'ID'), headers['content-type']]);
    };
    const straight = await answers(glance.url);
    expect(await answers(url)).toEqual(straight);
    expect(straight.map((answer) => (answer as unknown[])[0])).toEqual([415, 404, 413, 204, 409]);
    expect(images.published.size).toBe(1);
  });

  test('whose image is deleted meanwhile is a 410', async () => {
    await open();
    const id = await createQueued();
    const bytes = async function* (): AsyncGenerator<Buffer> {
      yield* blocks(2 * MIB);
      while ((await statusOf(id)) !== 'saving');
      await client.delete(id);
      yield* blocks(MIB);
    };
    const answer = await uploadLikeNova({ url, path: `/v2/images/${id}/file`, bytes: bytes() });
    expect(answer.status).toBe(410);
    expect(images.published.size).toBe(0);
  });

  test('that the client aborts leaves the image queued, and nothing here', async () => {
    await open();
    const id = await createQueued();
    const headers = { 'Content-Type': 'application/octet-stream' };
    const request = http.request(`${url}/v2/images/${id}/file`, { method: 'PUT', headers });
    request.on('error', () => {});
    request.write(Buffer.alloc(3 * MIB));
    while ((await statusOf(id)) !== 'saving');
    request.destroy();
    while ((await statusOf(id)) !== 'queued');
    while (images.taking > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(images.published.size).toBe(0);
    expect((await put(url, id, MIB)).status).toBe(204); // Glance is ready for another
  });

  test('that is spooled outlives a Glance that is down when it comes', async () => {
    const directory = join(dir, 'spool');
    const spool = await openSpool({ logger: silentLogger }, { directory, maxBytes: 64 * MIB, reserveBytes: 0 });
    await open(spool);
    const id = await createQueued();
    await glance.stop();
    const answer = put(url, id, 5 * MIB);
    while (spool.usedBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    glance = await startGlance({ dir, extraConfig, port: Number(new URL(glance.url).port) });
    expect((await answer).status).toBe(204);
    expect(await statusOf(id)).toBe('active');
    expect(images.published.get(id)?.bytes.length).toBe(5 * MIB);
  });
});

describeWithGlance("glanceclient's upload with a service token", () => {
  // Without Quarry both end in an empty image that Glance has taken.
  test.for([401, 503] as const)('is not sent again after a %i', async (status) => {
    const { glance, url, close } = await startUploadGateway();
    try {
      const { id } = glance.add();
      glance.puts = [(scene) => scene.answer(status), (scene) => scene.take()];
      const script = join(import.meta.dirname, 'support', 'upload-with-glanceclient.py');
      const { stdout } = await run('/usr/bin/python3', [script, url, id], { env: { PATH: '/usr/bin:/bin' } });
      expect(stdout.trim()).toBe('HTTPBadGateway');
      expect(glance.requests.filter(({ line }) => line.startsWith('PUT')).length).toBe(1);
      expect(glance.data.size).toBe(0);
    } finally {
      await close();
    }
  });
});
