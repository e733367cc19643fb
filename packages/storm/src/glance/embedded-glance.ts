import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errorCode } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import { imageRangeOf } from './image-range.ts';
import type { ImageEntry, ImageTable } from './image-table.ts';
import type { Refusal } from './refusal.ts';
import { refusal, sendRefusal } from './refusal.ts';

export interface EmbeddedGlanceOptions {
  /** What callers must send. */
  readonly token: string;
  /** Data of image `id` is the file of that name. It must be there. */
  readonly storeDirectory: string;
  /** Before the first byte of a ranged read. */
  readonly readDelayMs: number;
}

export interface EmbeddedGlance {
  /** It listens nowhere yet. */
  readonly server: Server;
  /** Bytes of image data so far, in all answers. */
  readonly sentBytes: number;
  /** How reads of image data fail from now on; null: they work. */
  failing: 'errors' | 'hangs' | 'truncates' | null;
}

/** More a read makes no faster; it is what each of the clients costs in memory, twice. */
const READ_BYTES = 128 << 10;
const MAX_BODY_BYTES = 1 << 20;
const PATCH_TYPES = ['application/openstack-images-v2.1-json-patch', 'application/openstack-images-v2.0-json-patch'];

/** Glance's image API v2, as far as Nova, its client and Quarry use it, with one token of one project. Answers as Glance 25 with its file store. */
export function createEmbeddedGlance(
  { clock, table }: { readonly clock: Clock; readonly table: ImageTable },
  { token, storeDirectory, readDelayMs }: EmbeddedGlanceOptions,
): EmbeddedGlance {
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 });
  const state: { sentBytes: number; failing: EmbeddedGlance['failing'] } = { sentBytes: 0, failing: null };
  const fileOf = ({ id }: ImageEntry): string => join(storeDirectory, id);

  const readData = async (entry: ImageEntry, request: IncomingMessage, response: ServerResponse): Answered => {
    const { failing } = state;
    if (failing === 'errors') return refusal(503, 'The image data is not available.');
    if (failing === 'hangs') return undefined;
    const file = await openData(fileOf(entry));
    if (!file || entry.size === null) {
      await file?.close();
      response.writeHead(204, { 'Content-Length': 0 }).end();
      return undefined;
    }
    try {
      const range = imageRangeOf(request.headers.range, entry.size);
      if (range === 'several') return refusal(400, 'Requests with multiple ranges are not supported in Glance.');
      if (range === 'unsatisfiable') return refusal(416, 'The byte range is not satisfiable.');
      const { first, last } = range ?? { first: 0, last: entry.size - 1 };
      const length = last - first + 1;
      if (range) {
        await clock.sleep(readDelayMs);
        response.setHeader('Content-Range', `bytes ${first}-${last}/${entry.size}`);
      }
      response.writeHead(range ? 206 : 200, {
        'Content-Type': 'application/octet-stream',
        'Content-Md5': entry.checksum ?? '',
        'Content-Length': length,
      });
      const sendBytes = failing === 'truncates' ? length >> 1 : length;
      if (sendBytes > 0) {
        const options = { start: first, end: first + sendBytes - 1, highWaterMark: READ_BYTES, autoClose: false };
        const data = createReadStream('', { ...options, fd: file });
        data.on('data', (bytes) => (state.sentBytes += bytes.length));
        await pipeline(data, response, { end: false });
      }
      if (failing === 'truncates') response.socket?.end();
      else response.end();
      return undefined;
    } finally {
      await file.close();
    }
  };

  const takeData = async (entry: ImageEntry, request: IncomingMessage, response: ServerResponse): Answered => {
    if (request.headers['content-type'] !== 'application/octet-stream')
      return refusal(415, 'The Content-Type of image data is application/octet-stream.');
    if (entry.status !== 'queued')
      return refusal(409, `Image status transition from ${entry.status} to saving is not allowed`);
    const { disk_format: disk, container_format: container } = table.show(entry);
    if (disk === null || container === null)
      return refusal(400, 'Properties disk_format, container_format must be set prior to saving data.');
    entry.status = 'saving';
    const [sha512, md5] = [createHash('sha512'), createHash('md5')];
    let size = 0;
    // Under its own name it is whole
    const part = `${fileOf(entry)}.part`;
    try {
      await pipeline(
        request,
        async function* hashed(parts: AsyncIterable<Buffer>) {
          for await (const part of parts) {
            sha512.update(part);
            md5.update(part);
            size += part.length;
            yield part;
          }
        },
        createWriteStream(part, { highWaterMark: READ_BYTES }),
      );
      if (table.find(entry.id) === entry) await rename(part, fileOf(entry));
    } catch (error) {
      await rm(part, { force: true });
      entry.status = 'queued';
      if (request.errored) return undefined; // nobody is there to be told
      return refusal(503, `The store does not take it: ${errorCode(error) ?? 'it failed'}`);
    }
    if (table.find(entry.id) !== entry) {
      await Promise.all([part, fileOf(entry)].map((path) => rm(path, { force: true })));
      return refusal(410, `Image ${entry.id} could not be found after upload.`);
    }
    Object.assign(entry, { status: 'active', size, checksum: md5.digest('hex'), sha512: sha512.digest('hex') });
    response.writeHead(204).end();
    return undefined;
  };

  const answerImage = async (entry: ImageEntry, request: IncomingMessage, response: ServerResponse): Answered => {
    switch (request.method) {
      case 'GET':
        return sendJson(response, 200, table.show(entry));
      case 'DELETE':
        if (table.show(entry)['protected'] === true)
          return refusal(403, `Image ${entry.id} is protected and cannot be deleted.`);
        table.remove(entry.id);
        await rm(fileOf(entry), { force: true });
        response.writeHead(204).end();
        return undefined;
      case 'PATCH': {
        if (!PATCH_TYPES.includes(request.headers['content-type'] ?? ''))
          return refusal(415, 'Unsupported Content-Type', { 'Accept-Patch': PATCH_TYPES.join(', ') });
        const operations = await readJson(request);
        if (operations === undefined) return refusal(400, 'Request body must be a JSON array of operation objects.');
        return table.patch(entry, operations) ?? sendJson(response, 200, table.show(entry));
      }
      default:
        return notAllowed('GET, PATCH, DELETE');
    }
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Answered => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://glance');
    if (pathname === '/healthcheck') return void response.end('OK');
    if (pathname === '/' || pathname === '/versions')
      return sendJson(response, pathname === '/' ? 300 : 200, versionsAt(request.headers.host ?? ''));
    if (request.headers['x-auth-token'] !== token)
      return refusal(401, 'The request you have made requires authentication.', {
        'Www-Authenticate': `Keystone uri="http://${request.headers.host ?? ''}/v3"`,
      });
    if (pathname === '/v2/schemas/image' && request.method === 'GET') return sendJson(response, 200, imageSchema);
    if (pathname === '/v2/images') {
      if (request.method === 'GET') return sendJson(response, 200, table.list(searchParams));
      if (request.method !== 'POST') return notAllowed('GET, POST');
      const made = table.create(await readJson(request));
      if (!('properties' in made)) return made;
      response.setHeader('Location', `http://${request.headers.host ?? ''}/v2/images/${made.id}`);
      return sendJson(response, 201, table.show(made));
    }
    const [, id = '', data] = /^\/v2\/images\/([^/]+)(\/file)?$/.exec(pathname) ?? [];
    const entry = table.find(id);
    if (!entry) return refusal(404, id === '' ? 'The resource could not be found.' : `No image found with ID ${id}`);
    if (data === undefined) return await answerImage(entry, request, response);
    if (request.method === 'GET') return await readData(entry, request, response);
    return request.method === 'PUT' ? await takeData(entry, request, response) : notAllowed('GET, PUT');
  };

  server.on('request', (request, response) => {
    response.setHeader('X-Openstack-Request-Id', `req-${randomUUID()}`);
    response.sendDate = true;
    answer(request, response).then(
      (refused) => refused && sendRefusal(request, response, refused),
      // the caller has gone in the middle of it, or the disk fails: there is no other answer any more
      () => response.destroy(),
    );
  });
  return {
    server,
    get sentBytes() {
      return state.sentBytes;
    },
    get failing() {
      return state.failing;
    },
    set failing(how) {
      state.failing = how;
    },
  };
}

/** Undefined: the answer has been given. */
type Answered = Promise<Refusal | undefined>;

const imageSchema = {
  name: 'image',
  properties: Object.fromEntries(
    'id name status visibility size checksum os_hash_algo os_hash_value owner disk_format container_format'
      .split(' ')
      .map((name) => [name, { type: ['null', 'string', 'integer'] }]),
  ),
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
};

function versionsAt(host: string): object {
  const links = [{ rel: 'self', href: `http://${host}/v2/` }];
  return { versions: [{ id: 'v2.15', status: 'CURRENT', links }] };
}

function notAllowed(methods: string): Refusal {
  return refusal(405, 'The method is not allowed for this resource.', { Allow: methods });
}

function sendJson(response: ServerResponse, status: number, json: object): undefined {
  const body = JSON.stringify(json);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

async function openData(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
