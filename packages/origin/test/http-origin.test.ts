import type { IncomingMessage, ServerResponse } from 'node:http';
import { imageRef, type Origin, type OriginImage } from '@quarry/content';
import { createVirtualClock, type VirtualClock } from '@quarry/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { createHttpOrigin, originDefaults } from '../src/index.ts';
import { startHttpServer, startRawServer, type TestServer } from './support/http-server.ts';
import { readAll } from './support/scratch.ts';
import { serveBytes } from './support/serve-bytes.ts';

const REF = imageRef('debian-12.qcow2');
const BYTES = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31) >> 3);

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Subject {
  readonly origin: Origin;
  readonly server: TestServer;
  readonly clock: VirtualClock;
}

async function originBefore(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Subject> {
  const server = await startHttpServer(answer);
  const clock = createVirtualClock();
  const origin = createHttpOrigin({ clock }, { url: server.url });
  closers.push(
    () => server.close(),
    () => origin.close(),
  );
  return { origin, server, clock };
}

/** A server of one file with these headers, which may be changed. */
async function withFile(
  headers: Record<string, string>,
  hasRanges: boolean = true,
): Promise<Subject & { image: OriginImage; headers: Record<string, string> }> {
  const subject = await originBefore((request, response) =>
    serveBytes(request, response, BYTES, { headers, hasRanges }),
  );
  return { ...subject, headers, image: await subject.origin.describe(REF) };
}

async function expectCode(work: Promise<unknown>, code: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ code });
}

describe('what a server says of a file', () => {
  test.for([
    [401, 'ORIGIN_UNAUTHORIZED'],
    [403, 'ORIGIN_FORBIDDEN'],
    [404, 'ORIGIN_NOT_FOUND'],
    [410, 'ORIGIN_GONE'],
    [301, 'ORIGIN_BAD_ANSWER'],
    [204, 'ORIGIN_NO_DATA'],
    [500, 'ORIGIN_UNAVAILABLE'],
  ] as const)('status %d is %s', async ([status, code]) => {
    const { origin } = await originBefore((_, response) => response.writeHead(status, { location: '/' }).end());
    await expectCode(origin.describe(REF), code);
  });

  test.for([405, 501])('is asked with a GET of one byte where HEAD is answered with %d', async (status) => {
    const { origin, server } = await originBefore((request, response) => {
      if (request.method === 'HEAD') response.writeHead(status).end();
      else serveBytes(request, response, BYTES, { headers: { etag: '"a"' } });
    });
    const image = await origin.describe(REF);
    expect(image).toMatchObject({ imageBytes: BYTES.length, version: `size=${BYTES.length};etag="a"` });
    expect(server.requests.map(({ method, headers }) => [method, headers.range])).toEqual([
      ['HEAD', undefined],
      ['GET', 'bytes=0-0'],
    ]);
    expect((await readAll(origin.open(image, { offset: 7 }))).equals(BYTES.subarray(7))).toBe(true);
  });

  test('without its size is a bad answer: nobody could tell whether it is whole', async () => {
    const { origin } = await originBefore((_, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' }).end();
    });
    await expectCode(origin.describe(REF), 'ORIGIN_BAD_ANSWER');
  });

  test.for(['..', 'a/../../b', 'a//b', '/etc/passwd', './a', 'a/'])('is not asked of %s', async (path) => {
    const { origin, server } = await originBefore((_, response) => response.end());
    await expectCode(origin.describe(imageRef(path)), 'ORIGIN_NOT_FOUND');
    expect(server.requests).toEqual([]);
  });

  test('is asked of the very name, whatever it means in a URL', async () => {
    const { origin, server } = await originBefore((_, response) =>
      response.writeHead(200, { 'content-length': 3 }).end(),
    );
    await origin.describe(imageRef('a b/%2e%2e/c?d#e'));
    expect(server.requests[0]?.url).toBe('/a%20b/%252e%252e/c%3Fd%23e');
  });
});

describe('a file that changes', () => {
  test.for([
    ['its ETag', { etag: '"a"' }, { etag: '"b"' }],
    ['its weak ETag', { etag: 'W/"a"' }, { etag: 'W/"b"' }],
    [
      'its Last-Modified',
      { 'last-modified': 'Sun, 22 Nov 2026 07:18:35 GMT' },
      { 'last-modified': 'Sun, 22 Nov 2026 07:18:36 GMT' },
    ],
    ['an ETag that it did not have', {}, { etag: '"b"' }],
  ] as [string, Record<string, string>, Record<string, string>][])(
    'is found out by %s, before a byte is given',
    async ([, before, after]) => {
      const { origin, image, headers } = await withFile({ ...before });
      Object.assign(headers, after);
      for (const range of [{}, { offset: 100, length: 50 }]) {
        await expectCode(origin.open(image, range)[Symbol.asyncIterator]().next(), 'ORIGIN_CHANGED');
      }
    },
  );

  test('between two parts is never given as a mixture', async () => {
    const { origin, image, headers } = await withFile({ etag: '"a"' });
    expect((await readAll(origin.open(image, { length: 1000 }))).equals(BYTES.subarray(0, 1000))).toBe(true);
    headers.etag = '"b"';
    await expectCode(readAll(origin.open(image, { offset: 1000, length: 1000 })), 'ORIGIN_CHANGED');
  });

  test('in place, while its body is sent under the old headers, is found out after the last byte', async () => {
    const headers = { etag: '"a"' };
    const { origin } = await originBefore((request, response) => {
      serveBytes(request, response, BYTES, { headers });
      if (request.method === 'GET') headers.etag = '"b"';
    });
    const image = await origin.describe(REF);
    let received = 0;
    const reading = (async () => {
      for await (const buffer of origin.open(image)) received += buffer.length;
    })();
    await expectCode(reading, 'ORIGIN_CHANGED');
    expect(received).toBe(BYTES.length);
  });
});

describe('ranges', () => {
  test('are used where they work', async () => {
    const { origin, server, image } = await withFile({ etag: '"a"' });
    await readAll(origin.open(image, { offset: 5, length: 10 }));
    expect(server.requests[1]?.headers.range).toBe('bytes=5-14');
    expect(origin.canRange(image)).toBe(true);
  });

  test.for([
    ['a server says that it has none', { etag: '"a"', 'accept-ranges': 'none' }],
    ['an ETag is only a weak one', { etag: 'W/"a"', 'accept-ranges': 'bytes' }],
    ['nothing tells one version from another', { 'accept-ranges': 'bytes' }],
  ] as [string, Record<string, string>][])('are not asked for where %s', async ([, headers]) => {
    const { origin, server, image } = await withFile(headers);
    expect(origin.canRange(image)).toBe(false);
    expect((await readAll(origin.open(image, { offset: 5 }))).equals(BYTES.subarray(5))).toBe(true);
    for (const request of server.requests) expect(request.headers).not.toHaveProperty('range');
  });

  test('come back with a server that has learned them', async () => {
    const { origin, image, headers } = await withFile({ etag: '"a"', 'accept-ranges': 'none' });
    headers['accept-ranges'] = 'bytes';
    expect(origin.canRange(await origin.describe(image.ref))).toBe(true);
  });
});

describe('a connection', () => {
  test('that is silent in the middle of a body stalls', async () => {
    const { origin, clock } = await originBefore((request, response) => {
      response.writeHead(200, { 'content-length': BYTES.length, etag: '"a"' });
      if (request.method === 'HEAD') response.end();
      else response.write(BYTES.subarray(0, 70_000));
    });
    const image = await origin.describe(REF);
    const stream = origin.open(image)[Symbol.asyncIterator]();
    for (let received = 0; received < 70_000; ) received += ((await stream.next()).value as Uint8Array).length;
    const next = stream.next();
    next.catch(() => {});
    await clock.advance(originDefaults.idleTimeoutMs);
    await expectCode(next, 'ORIGIN_STALLED');
  });

  test('that ends in the middle of a part truncates it', async () => {
    const server = await startRawServer((socket, request) => {
      const size = 'Content-Length: 1000\r\nETag: "a"\r\n';
      if (request.startsWith('HEAD')) return void socket.write(`HTTP/1.1 200 OK\r\n${size}\r\n`);
      socket.end(
        `HTTP/1.1 206 Partial Content\r\nContent-Length: 500\r\nETag: "a"\r\nContent-Range: bytes 500-999/1000\r\n\r\nfew`,
      );
    });
    const origin = createHttpOrigin({ clock: createVirtualClock() }, { url: server.url });
    closers.push(
      () => server.close(),
      () => origin.close(),
    );
    const image = await origin.describe(REF);
    await expectCode(readAll(origin.open(image, { offset: 500 })), 'ORIGIN_TRUNCATED');
  });

  // A second one may be opened in the moment in which the first is still handing out its last answer.
  test('is used again for the next requests', async () => {
    const sockets = new Set<unknown>();
    const { origin } = await originBefore((request, response) => {
      sockets.add(request.socket);
      serveBytes(request, response, BYTES, { headers: { etag: '"a"' } });
    });
    const image = await origin.describe(REF);
    for (let i = 0; i < 5; i += 1) await readAll(origin.open(image, { offset: i, length: 1000 }));
    expect(sockets.size).toBeLessThanOrEqual(2);
  });
});
