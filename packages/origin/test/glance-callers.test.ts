// Whose an image is, and Glance asked with the headers of whoever asks for it.
import { imageRef, type Origin } from '@quarry/content';
import { systemClock } from '@quarry/runtime';
import { afterEach, expect, test } from 'vitest';
import { createGlanceOrigin, type GlanceOrigin } from '../src/index.ts';
import { glanceId, glanceRecord } from './support/glance-like.ts';
import { startHttpServer } from './support/http-server.ts';
import { readAll } from './support/scratch.ts';
import { serveBytes } from './support/serve-bytes.ts';

const ID = glanceId(1);
const REF = imageRef(ID);
const BYTES = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7);

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A Glance with one image, which only `token` may read. */
async function glance(record: object, token?: string): Promise<GlanceOrigin> {
  const server = await startHttpServer((request, response) => {
    if (token !== undefined && request.headers['x-auth-token'] !== token) return void response.writeHead(404).end();
    if (request.url?.endsWith('/file')) return serveBytes(request, response, BYTES, {});
    response.end(JSON.stringify({ ...glanceRecord(ID, BYTES), ...record }));
  });
  const origin = createGlanceOrigin({ clock: systemClock, token: async () => 'own-token' }, { url: server.url });
  closers.push(
    () => server.close(),
    () => origin.close(),
  );
  return origin;
}

test.for([
  [{ visibility: 'public', owner: 'a1b2' }, 'public'],
  [{ visibility: 'community', owner: 'a1b2' }, 'public'],
  [{ visibility: 'shared', owner: 'a1b2' }, 'project:a1b2'],
  [{ visibility: 'private', owner: 'a1b2' }, 'project:a1b2'],
  [{ visibility: 'shared', owner: null }, undefined],
  [{ owner: 'a1b2' }, 'project:a1b2'],
] as const)('an image with %j is of the domain %s', async ([record, domain]) => {
  const origin = await glance(record);
  expect((await origin.describe(REF)).domain).toBe(domain);
});

test('an owner that no domain can be named after is no answer of Glance', async () => {
  const origin = await glance({ visibility: 'private', owner: 'a b\n' });
  await expect(origin.describe(REF)).rejects.toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
});

test('a caller reads what its own headers may read, and not what this node may', async () => {
  const origin = await glance({}, 'theirs');
  const theirs: Origin = origin.askedWith({ 'x-auth-token': 'theirs' });
  const others: Origin = origin.askedWith({ 'x-auth-token': 'others' });
  expect(await readAll(theirs.open(await theirs.describe(REF)))).toEqual(Buffer.from(BYTES));
  await expect(others.describe(REF)).rejects.toMatchObject({ code: 'ORIGIN_NOT_FOUND' });
  await expect(origin.describe(REF)).rejects.toMatchObject({ code: 'ORIGIN_NOT_FOUND' });
  await theirs.close();
  await theirs.describe(REF); // closing a caller's view closes nothing
});
