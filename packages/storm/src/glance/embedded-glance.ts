import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '@quarry/runtime';
import { patched, rangeOf, recordOf } from './glance-images.ts';
import type { GlanceImage, GlanceOrder } from './glance-images.ts';

export type GlanceFailure = 'errors' | 'hangs' | 'truncates';

export interface EmbeddedGlance {
  readonly server: Server;
  setFailing(how: GlanceFailure | undefined): void;
  /** Of image data, as it went out to the sockets. */
  sentBytes(): number;
}

const READ_BYTES = 256 * 1024;
const PATCH_TYPE = /^application\/openstack-images-v2\.[01]-json-patch$/;

/**
 * A server that answers as Glance does with the file store behind it, as far as Nova, our daemons and curl ask (openstack/glance,
 * `glance/api/v2`): one project, one token. An upload is whole or nothing; its bytes lie in the store under the image's id only when they are all there.
 */
export function createEmbeddedGlance({ clock }: { readonly clock: Clock }, order: GlanceOrder): EmbeddedGlance {
  const images = new Map<string, GlanceImage>();
  const createdAt = `${new Date(clock.wallMs()).toISOString().slice(0, 19)}Z`;
  for (const { id, name, visibility, ...content } of order.images) {
    const properties = { name, disk_format: 'raw', container_format: 'bare' };
    images.set(id, { id, visibility, createdAt, properties, status: 'active', content });
  }
  let failing: GlanceFailure | undefined;
  let sent = 0;

  const show = (response: ServerResponse, status: number, image: GlanceImage): void => {
    const location = status === 201 ? { Location: `/v2/images/${image.id}` } : {};
    sendJson(response, status, recordOf(image, order.owner), location);
  };

  const list = (response: ServerResponse, query: URLSearchParams): void => {
    const ids = [...images.keys()];
    const from = query.has('marker') ? ids.indexOf(query.get('marker') ?? '') + 1 : 0;
    const limit = Number(query.get('limit') ?? 25);
    const status = query.get('status');
    const wanted = ids.slice(from).flatMap((id) => {
      const image = images.get(id);
      return image && (status === null || image.status === status) ? [image] : [];
    });
    const page = wanted.slice(0, limit);
    const last = page.at(-1);
    query.set('marker', last?.id ?? '');
    sendJson(response, 200, {
      images: page.map((image) => recordOf(image, order.owner)),
      first: '/v2/images',
      schema: '/v2/schemas/images',
      ...(wanted.length > limit && { next: `/v2/images?${query}` }),
    });
  };

  const create = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const given = await readJson(request);
    if (given === undefined) return sendError(response, 400, 'Malformed JSON in request body.');
    const { id = randomUUID(), visibility, ...properties } = given as { id?: string; visibility?: string };
    if (images.has(id)) return sendError(response, 409, `Image ID ${id} already exists!`);
    const seen = visibility === 'public' ? 'public' : 'private';
    const image: GlanceImage = { id, visibility: seen, createdAt, properties, status: 'queued', content: null };
    images.set(id, image);
    show(response, 201, image);
  };

  const patch = async (request: IncomingMessage, response: ServerResponse, image: GlanceImage): Promise<void> => {
    if (!PATCH_TYPE.test(request.headers['content-type'] ?? ''))
      return sendError(response, 415, 'Unsupported Media Type');
    const properties = patched(image.properties, await readJson(request));
    if (properties === undefined) return sendError(response, 403, 'Attribute is read-only, or the patch is none.');
    image.properties = properties;
    show(response, 200, image);
  };

  const upload = async (request: IncomingMessage, response: ServerResponse, image: GlanceImage): Promise<void> => {
    if (request.headers['content-type'] !== 'application/octet-stream')
      return sendError(response, 415, 'Unsupported Media Type');
    if (image.status !== 'queued')
      return sendError(response, 409, `Image status transition from ${image.status} to saving is not allowed`);
    if (typeof image.properties['disk_format'] !== 'string' || typeof image.properties['container_format'] !== 'string')
      return sendError(response, 400, 'Properties disk_format, container_format must be set prior to saving data.');
    image.status = 'saving';
    const [md5, sha512] = [createHash('md5'), createHash('sha512')];
    let sizeBytes = 0;
    const hashing = new Transform({
      highWaterMark: READ_BYTES,
      transform(chunk: Buffer, _encoding, done) {
        md5.update(chunk);
        sha512.update(chunk);
        sizeBytes += chunk.length;
        done(null, chunk);
      },
    });
    const [path, part] = [join(order.storeDirectory, image.id), join(order.storeDirectory, `${image.id}.part`)];
    try {
      await pipeline(request, hashing, createWriteStream(part, { highWaterMark: READ_BYTES }));
      await rename(part, path);
    } catch (error) {
      image.status = 'queued'; // as Glance does with a client that leaves
      await rm(part, { force: true });
      throw error;
    }
    if (!images.has(image.id)) {
      await rm(path, { force: true });
      return sendError(response, 410, 'The image was deleted during the upload.');
    }
    image.content = { sizeBytes, md5: md5.digest('hex'), sha512: sha512.digest('hex') };
    image.status = 'active';
    response.writeHead(204).end();
  };

  const download = async (request: IncomingMessage, response: ServerResponse, image: GlanceImage): Promise<void> => {
    const { content } = image;
    if (!content) return void response.writeHead(204, { 'Content-Length': 0 }).end();
    const range = rangeOf(request.headers.range, content.sizeBytes);
    if (range === 'many') return sendError(response, 400, 'Requests with multiple ranges are not supported in Glance.');
    if (range === 'bad') return sendError(response, 416, 'Invalid range');
    if (failing === 'errors') return sendError(response, 503, 'The server is currently unavailable.');
    if (failing === 'hangs') return; // until the client leaves, or the process ends
    if (range !== 'whole') await clock.sleep(order.readDelayMs);
    const { first, last } = range === 'whole' ? { first: 0, last: content.sizeBytes - 1 } : range;
    const length = last - first + 1;
    response.writeHead(range === 'whole' ? 200 : 206, {
      'Content-Type': 'application/octet-stream',
      'Content-Md5': content.md5,
      'Content-Length': length,
      ...(range !== 'whole' && { 'Content-Range': `bytes ${first}-${last}/${content.sizeBytes}` }),
    });
    if (length === 0) return void response.end();
    const breaksOff = failing === 'truncates';
    const end = breaksOff ? first + Math.floor(length / 2) : last;
    const file = createReadStream(join(order.storeDirectory, image.id), {
      start: first,
      end,
      highWaterMark: READ_BYTES,
    });
    file.on('data', (chunk) => (sent += chunk.length));
    await pipeline(file, response, { end: !breaksOff });
    if (breaksOff) response.destroy();
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://glance');
    if (pathname === '/') return sendJson(response, 300, { versions: [{ id: 'v2.15', status: 'CURRENT' }] });
    if (request.headers['x-auth-token'] !== order.token)
      return sendError(response, 401, 'This server could not verify that you are authorized.');
    if (pathname === '/v2/schemas/image')
      return sendJson(response, 200, { name: 'image', properties: {}, additionalProperties: { type: 'string' } });
    if (pathname === '/v2/images') {
      if (request.method === 'GET') return list(response, searchParams);
      if (request.method === 'POST') return await create(request, response);
      return sendError(response, 405, 'Method Not Allowed');
    }
    const [, id = '', file] = /^\/v2\/images\/([^/]+)(\/file)?$/.exec(pathname) ?? [];
    const image = images.get(id);
    if (!image) return sendError(response, 404, `No image found with ID ${id}`);
    switch (`${request.method}${file ?? ''}`) {
      case 'GET':
        return show(response, 200, image);
      case 'PATCH':
        return await patch(request, response, image);
      case 'DELETE':
        images.delete(id);
        await rm(join(order.storeDirectory, id), { force: true });
        return void response.writeHead(204).end();
      case 'GET/file':
        return await download(request, response, image);
      case 'PUT/file':
        return await upload(request, response, image);
      default:
        return sendError(response, 405, 'Method Not Allowed');
    }
  };

  const server = createServer({ highWaterMark: READ_BYTES }, (request, response) => {
    response.setHeader('X-Openstack-Request-Id', `req-${randomUUID()}`);
    answer(request, response).catch(() => {
      // the client has left, or the disk refuses: either way there is nobody to tell but by the connection
      if (response.headersSent) response.destroy();
      else
        sendError(response, 500, 'The server has either erred or is incapable of performing the requested operation.');
    });
  });
  server.requestTimeout = 0; // an upload over a slow link takes its time
  server.keepAliveTimeout = 60_000;
  return {
    server,
    setFailing: (how) => (failing = how),
    sentBytes: () => sent,
  };
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers })
    .end(text);
}

/** As webob makes them for clients that did not ask for JSON. */
function sendError(response: ServerResponse, status: number, why: string): void {
  const text = `<html>\n <head>\n  <title>${status}</title>\n </head>\n <body>\n  <h1>${status}</h1>\n  ${why}<br /><br />\n </body>\n</html>`;
  const challenge = status === 401 ? { 'Www-Authenticate': 'Keystone uri="http://keystone.invalid/v3"' } : {};
  response
    .writeHead(status, {
      'Content-Type': 'text/html; charset=UTF-8',
      'Content-Length': Buffer.byteLength(text),
      ...challenge,
    })
    .end(text);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
