// As much of Glance as a storm's hosts and seeders ask for, in a process of its own so that it can stand in a namespace:
//   node small-glance-process.ts ADDRESS STORE RECORDS   (JSON; says "ready" when it listens on ADDRESS:9292)
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

type GlanceImage = Record<string, unknown> & { readonly id: string };

const [address = '', store = '', records = '[]'] = process.argv.slice(2);
const images = new Map((JSON.parse(records) as GlanceImage[]).map((image) => [image.id, image]));

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}

function answer(response: ServerResponse, status: number, value?: unknown): void {
  response.writeHead(status, { 'content-type': value === undefined ? 'text/plain' : 'application/json' });
  response.end(value === undefined ? '' : JSON.stringify(value));
}

async function takeData(request: IncomingMessage, image: GlanceImage): Promise<void> {
  const hash = createHash('sha512');
  const file = await open(join(store, image.id), 'w');
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    hash.update(part);
    size += part.length;
    await file.writeFile(part);
  }
  await file.close();
  Object.assign(image, { status: 'active', size, os_hash_algo: 'sha512', os_hash_value: hash.digest('hex') });
}

async function giveData(request: IncomingMessage, response: ServerResponse, image: GlanceImage): Promise<void> {
  const size = Number(image['size']);
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  if (start >= size) return answer(response, 416);
  const end = Math.min(size - 1, range?.[2] ? Number(range[2]) : size - 1);
  response.writeHead(range ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': end - start + 1,
    ...(range ? { 'content-range': `bytes ${start}-${end}/${size}` } : {}),
  });
  await pipeline(createReadStream(join(store, image.id), { start, end }), response);
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, id = '', file] = /^\/v2\/images\/?([^/]*)(\/file)?$/.exec(request.url ?? '') ?? [];
  if (request.method === 'POST') {
    const image = { ...JSON.parse(await textOf(request)), id: randomUUID(), status: 'queued', owner: 'p1', size: null };
    images.set(image.id, image);
    return answer(response, 201, image);
  }
  const image = images.get(id);
  if (!image) return answer(response, 404);
  if (request.method === 'PATCH') {
    const changes = JSON.parse(await textOf(request)) as readonly { readonly path: string; readonly value: unknown }[];
    for (const { path, value } of changes) image[path.slice(1)] = value;
    return answer(response, 200, image);
  }
  if (request.method === 'PUT') {
    await takeData(request, image);
    return answer(response, 204);
  }
  if (file === undefined) return answer(response, 200, image);
  await giveData(request, response, image);
}

createServer((request, response) => {
  handle(request, response).catch(() => response.destroy());
}).listen(9292, address, () => console.log('ready'));
