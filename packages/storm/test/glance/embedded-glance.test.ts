// Statements about Glance 25 with its file store, as they were seen at a real one, held against the embedded one.
import { createHash } from 'node:crypto';
import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createVirtualClock } from '@quarry/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ID, serveGlance } from './served-glance.ts';
import type { ServedGlance } from './served-glance.ts';

const BYTES = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251);
const SHA512 = createHash('sha512').update(BYTES).digest('hex');
const MD5 = SHA512.slice(0, 32);
const PATCH_TYPE = 'application/openstack-images-v2.1-json-patch';
let served: ServedGlance;

beforeEach(async () => {
  served = await serveGlance(BYTES);
});
afterEach(async () => await served.stop());

const dataOf = async (range?: string): Promise<Response> =>
  await served.ask(`/v2/images/${ID}/file`, { headers: range === undefined ? {} : { range } });
const record = async (id: string): Promise<Record<string, unknown>> =>
  (await (await served.ask(`/v2/images/${id}`)).json()) as Record<string, unknown>;
const post = async (json: object): Promise<Response> =>
  await served.ask('/v2/images', { method: 'POST', body: JSON.stringify(json) });
const newImage = async (): Promise<string> => {
  const made = await post({ name: 'vm-shelved', disk_format: 'raw', container_format: 'bare', visibility: 'private' });
  return String(((await made.json()) as { id?: unknown }).id);
};
const upload = async (id: string, bytes: Uint8Array, type = 'application/octet-stream'): Promise<Response> => {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, 1000));
      controller.enqueue(bytes.slice(1000));
      controller.close();
    },
  });
  return await served.ask(`/v2/images/${id}/file`, {
    method: 'PUT',
    body,
    duplex: 'half',
    headers: { 'content-type': type },
  });
};

describe('who may ask', () => {
  test('nobody without the token, not even whether there is an image', async () => {
    for (const path of [
      '/v2/images',
      `/v2/images/${ID}`,
      `/v2/images/${ID}/file`,
      '/v2/images/x',
      '/v2/schemas/image',
    ]) {
      const answer = await served.ask(path, { headers: { 'x-auth-token': 'other' } });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Keystone uri=/);
      expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
    }
  });

  test('everybody whether it is alive, and which versions it speaks', async () => {
    expect((await fetch(`${served.url}/healthcheck`)).status).toBe(200);
    expect((await fetch(`${served.url}/`)).status).toBe(300);
    expect(await (await fetch(`${served.url}/versions`)).json()).toMatchObject({ versions: [{ status: 'CURRENT' }] });
  });
});

describe('a record', () => {
  test('is flat, with hash and size and relative addresses', async () => {
    expect(await record(ID)).toMatchObject({
      id: ID,
      name: 'base',
      status: 'active',
      visibility: 'public',
      owner: 'alpha',
      size: 300_000,
      checksum: MD5,
      os_hash_algo: 'sha512',
      os_hash_value: SHA512,
      created_at: '2026-01-01T00:00:00Z',
      self: `/v2/images/${ID}`,
      file: `/v2/images/${ID}/file`,
      schema: '/v2/schemas/image',
      disk_format: 'raw',
    });
  });

  test.for(['foo', ID.toUpperCase(), '3f1e2d4c-0000-4000-8000-00000000000b'])('of %s is not found', async (id) => {
    const html = await served.ask(`/v2/images/${id}`);
    expect(html.status).toBe(404);
    expect(await html.text()).toContain(`<title>404 Not Found</title>`);
    const json = await served.ask(`/v2/images/${id}`, { headers: { accept: 'application/json' } });
    expect(await json.json()).toEqual({
      message: `No image found with ID ${id}<br /><br />\n\n\n`,
      code: '404 Not Found',
      title: 'Not Found',
    });
  });

  test('is listed by pages, and by its hash', async () => {
    const id = await newImage();
    const first = (await (await served.ask('/v2/images?limit=1&sort_key=created_at&sort_dir=asc')).json()) as {
      readonly images: readonly { readonly id: string }[];
      readonly next: string;
    };
    expect(first.images.map((image) => image.id)).toEqual([ID]);
    const second = (await (await served.ask(first.next)).json()) as typeof first;
    expect(second.images.map((image) => image.id)).toEqual([id]);
    expect(await (await served.ask(`/v2/images?os_hash_value=${SHA512}`)).json()).toMatchObject({
      images: [{ id: ID }],
    });
    expect(await (await served.ask('/v2/images?status=saving')).json()).toMatchObject({ images: [] });
  });
});

describe('the data of an image', () => {
  test('comes whole, with the MD5 of the record, and counts', async () => {
    const answer = await dataOf();
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '300000',
      'content-md5': MD5,
    });
    expect(answer.headers.has('accept-ranges')).toBe(false);
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(BYTES);
    expect(served.glance.sentBytes).toBe(300_000);
  });

  test.for([
    ['bytes=0-99', 0, 99],
    ['bytes=299990-', 299_990, 299_999],
    ['bytes=-10', 299_990, 299_999],
    ['bytes=5-9999999', 5, 299_999],
    ['bytes=-9999999', 0, 299_999],
    ['bytes=0-299999', 0, 299_999],
  ] as const)('comes in part for %s', async ([range, first, last]) => {
    const answer = await dataOf(range);
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${last}/300000`);
    expect(answer.headers.get('content-md5')).toBe(MD5);
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(BYTES.slice(first, last + 1));
    expect(served.glance.sentBytes).toBe(last - first + 1);
  });

  test.for([
    ['bytes=300000-', 416],
    ['bytes=9-5', 416],
    ['bytes=-', 416],
    ['bytes=-0', 416],
    ['lines=0-5', 416],
    ['bytes=0-1,5-6', 400],
  ] as const)('is refused for %s by %d', async ([range, status]) => {
    const answer = await dataOf(range);
    expect(answer.status).toBe(status);
    expect(answer.headers.has('content-range')).toBe(false);
  });

  test('of an image without any, or whose file is lost, is 204', async () => {
    const id = await newImage();
    expect((await served.ask(`/v2/images/${id}/file`)).status).toBe(204);
    await unlink(join(served.directory, ID));
    expect((await dataOf()).status).toBe(204);
  });

  test('a HEAD is not allowed', async () => {
    expect((await served.ask(`/v2/images/${ID}/file`, { method: 'HEAD' })).status).toBe(405);
  });
});

test('a part of an image costs its delay before the first byte, the whole does not', async () => {
  const clock = createVirtualClock();
  const slow = await serveGlance(BYTES, { clock, readDelayMs: 18 });
  try {
    const whole = await slow.ask(`/v2/images/${ID}/file`);
    expect((await whole.arrayBuffer()).byteLength).toBe(BYTES.length);
    const sleeping = Promise.withResolvers<void>();
    const sleep = clock.sleep.bind(clock);
    clock.sleep = (...args) => {
      sleeping.resolve();
      return sleep(...args);
    };
    let isThere = false;
    const part = slow.ask(`/v2/images/${ID}/file`, { headers: { range: 'bytes=0-9' } }).finally(() => (isThere = true));
    await sleeping.promise;
    await clock.advance(17);
    expect(isThere).toBe(false);
    await clock.advance(1);
    expect((await (await part).arrayBuffer()).byteLength).toBe(10);
  } finally {
    await slow.stop();
  }
});

describe('an upload', () => {
  test('makes a queued image active, with the hashes of what came', async () => {
    const id = await newImage();
    expect(await record(id)).toMatchObject({ status: 'queued', size: null, checksum: null, os_hash_value: null });
    expect((await upload(id, BYTES)).status).toBe(204);
    expect(await record(id)).toMatchObject({
      status: 'active',
      size: 300_000,
      os_hash_algo: 'sha512',
      os_hash_value: SHA512,
      visibility: 'private',
      checksum: createHash('md5').update(BYTES).digest('hex'),
    });
    expect(new Uint8Array(await readFile(join(served.directory, id)))).toEqual(BYTES);
  });

  test('is refused a second time, as another type, without formats, and for an image that is not there', async () => {
    const id = await newImage();
    expect((await upload(id, BYTES, 'text/plain')).status).toBe(415);
    expect((await upload(id, BYTES)).status).toBe(204);
    expect((await upload(id, BYTES)).status).toBe(409);
    const { id: bare } = (await (await post({ name: 'bare' })).json()) as { id: string };
    expect((await upload(bare, BYTES)).status).toBe(400);
    expect((await upload('3f1e2d4c-0000-4000-8000-00000000000b', BYTES)).status).toBe(404);
  });

  test('that breaks off leaves the image queued and nothing in the store', async () => {
    const id = await newImage();
    const stop = new AbortController();
    const arrived = new Promise<void>((resolve) =>
      served.glance.server.once('request', (request) => request.once('data', () => resolve())),
    );
    const hasGone = new Promise<void>((resolve) =>
      served.glance.server.once('request', (request) => request.once('close', () => resolve())),
    );
    const body = new ReadableStream({ start: (controller) => controller.enqueue(BYTES) });
    const sent = served.ask(`/v2/images/${id}/file`, {
      method: 'PUT',
      body,
      duplex: 'half',
      signal: stop.signal,
      headers: { 'content-type': 'application/octet-stream' },
    });
    sent.catch(() => {});
    await arrived;
    expect(await record(id)).toMatchObject({ status: 'saving' });
    stop.abort();
    await expect(sent).rejects.toThrow('abort');
    await hasGone;
    await expect.poll(() => record(id)).toMatchObject({ status: 'queued' });
    await expect(readFile(join(served.directory, id))).rejects.toThrow('ENOENT');
  });

  test('to an image that is deleted meanwhile is 410, and leaves nothing', async () => {
    const id = await newImage();
    let end: () => void = () => {};
    const arrived = new Promise<void>((resolve) =>
      served.glance.server.once('request', (request) => request.once('data', () => resolve())),
    );
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(BYTES);
        end = () => controller.close();
      },
    });
    const headers = { 'content-type': 'application/octet-stream' };
    const sent = served.ask(`/v2/images/${id}/file`, { method: 'PUT', body, duplex: 'half', headers });
    await arrived;
    expect((await served.ask(`/v2/images/${id}`, { method: 'DELETE' })).status).toBe(204);
    end();
    expect((await sent).status).toBe(410);
    await expect(readFile(join(served.directory, id))).rejects.toThrow('ENOENT');
  });
});

describe('changes', () => {
  const patch = async (operations: unknown, type = PATCH_TYPE): Promise<Response> =>
    await served.ask(`/v2/images/${ID}`, {
      method: 'PATCH',
      body: JSON.stringify(operations),
      headers: { 'content-type': type },
    });

  test('by a patch are all done or none', async () => {
    expect((await patch([{ op: 'add', path: '/image_state', value: 'available' }])).status).toBe(200);
    expect(await record(ID)).toMatchObject({ image_state: 'available' });
    const both = [
      { op: 'remove', path: '/image_state' },
      { op: 'replace', path: '/size', value: 1 },
    ];
    expect((await patch(both)).status).toBe(403);
    expect(await record(ID)).toMatchObject({ image_state: 'available', size: 300_000 });
  });

  test('by a patch of another type are refused', async () => {
    const answer = await patch([], 'application/json');
    expect(answer.status).toBe(415);
    expect(answer.headers.get('accept-patch')).toContain(PATCH_TYPE);
  });

  test('an image that is made again is refused, and one that is deleted is gone with its data', async () => {
    expect((await post({ id: ID })).status).toBe(409);
    expect((await served.ask(`/v2/images/${ID}`, { method: 'DELETE' })).status).toBe(204);
    expect((await served.ask(`/v2/images/${ID}`, { method: 'DELETE' })).status).toBe(404);
    await expect(readFile(join(served.directory, ID))).rejects.toThrow('ENOENT');
  });

  test('a new one says where it is', async () => {
    const made = await post({ id: '3f1e2d4c-0000-4000-8000-00000000000c', name: 'x' });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`${served.url}/v2/images/3f1e2d4c-0000-4000-8000-00000000000c`);
    expect((await post({ size: 5 })).status).toBe(403);
  });
});

describe('failing', () => {
  test('reads are refused with a Content-Type, records are not, and afterwards all works', async () => {
    served.glance.failing = 'errors';
    const answer = await dataOf();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([503, 'text/html; charset=UTF-8']);
    expect(await record(ID)).toMatchObject({ status: 'active' });
    served.glance.failing = null;
    expect(new Uint8Array(await (await dataOf()).arrayBuffer())).toEqual(BYTES);
  });

  test('reads break off half-way', async () => {
    served.glance.failing = 'truncates';
    const answer = await dataOf();
    expect(answer.headers.get('content-length')).toBe('300000');
    await expect(answer.arrayBuffer()).rejects.toThrow();
    expect(served.glance.sentBytes).toBe(150_000);
  });

  test('reads are never answered', async () => {
    served.glance.failing = 'hangs';
    const stop = new AbortController();
    const asked = new Promise<void>((resolve) => served.glance.server.once('request', () => resolve()));
    let isAnswered = false;
    const read = served.ask(`/v2/images/${ID}/file`, { signal: stop.signal }).then(() => (isAnswered = true));
    read.catch(() => {});
    await asked;
    expect(await record(ID)).toMatchObject({ status: 'active' }); // a later request has had its answer
    expect(isAnswered).toBe(false);
    stop.abort();
    await expect(read).rejects.toThrow('abort');
  });
});
