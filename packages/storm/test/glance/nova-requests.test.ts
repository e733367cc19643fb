import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createImageRequest, curlArguments, shelveRequests, unshelveRequests } from '../../src/glance/nova-requests.ts';
import { ID, serveGlance, TOKEN } from './served-glance.ts';
import type { ServedGlance } from './served-glance.ts';

const BYTES = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 11) % 253);
let served: ServedGlance;
let scratch: string;
let connections: number;
let seen: IncomingMessage[];

beforeEach(async () => {
  [served, scratch] = await Promise.all([serveGlance(BYTES), mkdtemp(join(tmpdir(), 'quarry-nova-'))]);
  [connections, seen] = [0, []];
  served.glance.server.on('connection', () => (connections += 1));
  served.glance.server.on('request', (request) => seen.push(request));
});
afterEach(async () => {
  await served.stop();
  await rm(scratch, { recursive: true });
});

const run = async (words: readonly string[]): Promise<string> => (await promisify(execFile)('curl', [...words])).stdout;
const asked = (): string[] => seen.map(({ method, url }) => `${method} ${url?.replace(/[0-9a-f-]{36}/, 'ID')}`);

test('an unshelve asks as Nova does, over one connection, and deletes the image at its end', async () => {
  const file = join(scratch, 'base.part');
  const where = { url: served.url, token: TOKEN, file };
  expect(await run(curlArguments(unshelveRequests(ID, { isDeleted: true }), where))).toBe('');
  expect(asked()).toEqual([
    'GET /v2/images/ID',
    'GET /v2/schemas/image',
    'GET /v2/images/ID',
    'GET /v2/images/ID/file',
    'GET /v2/images/ID',
    'GET /v2/schemas/image',
    'DELETE /v2/images/ID',
  ]);
  expect(connections).toBe(1);
  expect(seen.every(({ headers }) => headers['content-type'] === 'application/octet-stream')).toBe(true);
  expect(new Uint8Array(await readFile(file))).toEqual(BYTES);
  expect((await served.ask(`/v2/images/${ID}`)).status).toBe(404);
});

test('an unshelve without deletion leaves the image', async () => {
  const where = { url: served.url, token: TOKEN, file: '/dev/null' };
  await run(curlArguments(unshelveRequests(ID, { isDeleted: false }), where));
  expect((await served.ask(`/v2/images/${ID}`)).status).toBe(200);
});

test('a shelve makes the image, names its format, and streams it without saying how much comes', async () => {
  const file = join(scratch, 'disk');
  await writeFile(file, BYTES);
  const where = { url: served.url, token: TOKEN, file, isLastShown: true };
  const made = JSON.parse(
    await run(curlArguments([createImageRequest({ name: 'vm', instance: 'i', baseId: ID })], where)),
  );
  expect(made).toMatchObject({ name: 'vm-shelved', visibility: 'private', status: 'queued', base_image_ref: ID });
  [connections, seen] = [0, []];
  const last = JSON.parse(await run(curlArguments(shelveRequests(made.id), where)));
  expect(last).toMatchObject({ id: made.id, status: 'active', size: BYTES.length, disk_format: 'raw' });
  expect(connections).toBe(1);
  expect(asked()).toEqual([
    'GET /v2/images/ID',
    'GET /v2/schemas/image',
    'GET /v2/images/ID',
    'PATCH /v2/images/ID',
    'GET /v2/images/ID',
    'GET /v2/schemas/image',
    'PUT /v2/images/ID/file',
    'GET /v2/images/ID',
  ]);
  const put = seen.find(({ method }) => method === 'PUT')?.headers;
  expect(put?.['transfer-encoding']).toBe('chunked');
  expect(put?.['content-length']).toBeUndefined();
  expect(put?.expect).toBeUndefined();
});

test('the first answer that is an error is the end of it', async () => {
  served.glance.failing = 'errors';
  const where = { url: served.url, token: TOKEN, file: join(scratch, 'x') };
  await expect(run(curlArguments(unshelveRequests(ID, { isDeleted: true }), where))).rejects.toThrow('503');
  expect(asked().at(-1)).toBe('GET /v2/images/ID/file');
});

test('an upload that asks whether it may is told to go on', async () => {
  const file = join(scratch, 'disk');
  await writeFile(file, BYTES);
  const { id } = (await (
    await served.ask('/v2/images', { method: 'POST', body: '{"disk_format":"raw","container_format":"bare"}' })
  ).json()) as { id: string };
  const words = ['-sv', '--fail', '-T', file, '-H', `X-Auth-Token: ${TOKEN}`, '-H', 'Expect: 100-continue'];
  const continued = once(served.glance.server, 'request');
  const { stderr } = await promisify(execFile)('curl', [
    ...words,
    '-H',
    'Content-Type: application/octet-stream',
    `${served.url}/v2/images/${id}/file`,
  ]);
  await continued;
  expect(stderr).toContain('100 Continue');
});

test('a sequence with image data needs a file', () => {
  expect(() => curlArguments(shelveRequests(ID), { url: 'http://x', token: 't' })).toThrow(TypeError);
});
