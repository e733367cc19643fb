import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { imageRef, type Origin, type OriginImage } from '@quarry/content';
import { createVirtualClock, type VirtualClock } from '@quarry/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { createGlanceOrigin, type GlanceOriginOptions, originDefaults } from '../src/index.ts';
import { createGlanceLike, glanceId, glanceRecord } from './support/glance-like.ts';
import { startHttpServer, startRawServer, type TestServer } from './support/http-server.ts';
import { readAll } from './support/scratch.ts';
import { serveBytes } from './support/serve-bytes.ts';

const ID = glanceId(1);
const REF = imageRef(ID);
const BYTES = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31) >> 3);
const SECRET = 'gAAAAABsecretsecretsecret';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Subject {
  readonly origin: Origin;
  readonly server: TestServer;
  readonly clock: VirtualClock;
}

function originAt(
  server: TestServer,
  options: Partial<GlanceOriginOptions> & { token?: () => Promise<string | undefined> } = {},
): Subject {
  const clock = createVirtualClock();
  const { token = async () => SECRET, ...rest } = options;
  const origin = createGlanceOrigin({ clock, token }, { url: server.url, ...rest });
  closers.push(
    () => server.close(),
    () => origin.close(),
  );
  return { origin, server, clock };
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An origin before a server with one image, which answers requests for its data as the test says. */
async function withData(
  answer: Answer,
  options: Partial<GlanceOriginOptions> & { record?: object } = {},
): Promise<Subject & { image: OriginImage }> {
  const { record, ...rest } = options;
  const server = await startHttpServer((request, response) => {
    if (request.url?.endsWith('/file')) answer(request, response);
    else response.end(JSON.stringify({ ...glanceRecord(ID, BYTES), ...record }));
  });
  const subject = originAt(server, rest);
  return { ...subject, image: await subject.origin.describe(REF) };
}

async function withRecord(record: object): Promise<Subject> {
  return originAt(await startHttpServer((_, response) => response.end(JSON.stringify(record))));
}

/** The error a promise rejects with; nothing that it carries may show the token. */
async function failureOf(
  work: Promise<unknown>,
): Promise<Error & { code: string; canRetry: boolean; details: object }> {
  const error = await work.then(
    () => expect.fail('it did not reject'),
    (reason: unknown) => reason as Error & { code: string; canRetry: boolean; details: object },
  );
  expect(inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error)).not.toContain(SECRET);
  return error;
}

describe('what Glance answers with', () => {
  test.for([
    [204, 'ORIGIN_NO_DATA', false],
    [302, 'ORIGIN_BAD_ANSWER', false],
    [400, 'ORIGIN_BAD_ANSWER', false],
    [401, 'ORIGIN_UNAUTHORIZED', false],
    [403, 'ORIGIN_FORBIDDEN', false],
    [404, 'ORIGIN_NOT_FOUND', false],
    [410, 'ORIGIN_GONE', false],
    [418, 'ORIGIN_BAD_ANSWER', false],
    [429, 'ORIGIN_UNAVAILABLE', true],
    [500, 'ORIGIN_UNAVAILABLE', true],
    [502, 'ORIGIN_UNAVAILABLE', true],
    [503, 'ORIGIN_UNAVAILABLE', true],
  ] as const)(
    'status %d is %s, of a record as of data, of a part as of the whole',
    async ([status, code, canRetry]) => {
      const { origin, image } = await withData((_, response) =>
        response.writeHead(status, { 'x-openstack-request-id': 'req-17' }).end(),
      );
      const expected = { code, canRetry, details: expect.objectContaining({ status, requestId: 'req-17' }) };
      expect(await failureOf(readAll(origin.open(image)))).toMatchObject(expected);
      expect(await failureOf(readAll(origin.open(image, { offset: 5, length: 10 })))).toMatchObject(expected);
      const all = originAt(await startHttpServer((_, response) => response.writeHead(status).end('<html>')));
      expect(await failureOf(all.origin.describe(REF))).toMatchObject({ code, canRetry });
    },
  );

  test('a redirect is not followed, and the token does not go where it leads', async () => {
    const elsewhere = await startHttpServer((_, response) => response.end());
    closers.push(() => elsewhere.close());
    const { origin, image } = await withData((_, response) =>
      response.writeHead(307, { location: `${elsewhere.url}/v2/images/${ID}/file` }).end(),
    );
    expect(await failureOf(readAll(origin.open(image)))).toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
    expect(elsewhere.requests).toEqual([]);
  });

  test('a range that is out of bounds by now is a changed image', async () => {
    const { origin, image } = await withData((request, response) =>
      serveBytes(request, response, BYTES.subarray(0, 100)),
    );
    const reading = readAll(origin.open(image, { offset: 1000, length: 10 }));
    expect(await failureOf(reading)).toMatchObject({ code: 'ORIGIN_CHANGED' });
  });
});

describe('a connection to Glance', () => {
  test('that is refused can be retried', async () => {
    const server = await startHttpServer(() => {});
    await server.close();
    const { origin } = originAt(server);
    expect(await failureOf(origin.describe(REF))).toMatchObject({ code: 'ORIGIN_UNAVAILABLE', canRetry: true });
  });

  test('that is reset before the answer can be retried', async () => {
    const { origin } = originAt(await startRawServer((socket) => socket.resetAndDestroy()));
    expect(await failureOf(origin.describe(REF))).toMatchObject({ code: 'ORIGIN_UNAVAILABLE', canRetry: true });
  });

  test.for([
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`,
  ])('that speaks another protocol is a bad answer (%#)', async (text) => {
    const { origin } = originAt(await startRawServer((socket) => socket.write(text)));
    expect(await failureOf(origin.describe(REF))).toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
  });

  test.for([
    ['reset', (response: ServerResponse): void => void response.socket?.resetAndDestroy()],
    ['closed', (response: ServerResponse): void => void response.socket?.end()],
  ] as const)('that is %s in the middle of a body truncates it', async ([, cut]) => {
    const { origin, image } = await withData((_, response) => {
      response.writeHead(200, {
        'content-length': BYTES.length,
        'content-md5': glanceRecord(ID, BYTES).checksum as string,
      });
      response.write(BYTES.subarray(0, 70_000), () => cut(response));
    });
    let received = 0;
    const reading = (async () => {
      for await (const buffer of origin.open(image)) received += buffer.length;
    })();
    expect(await failureOf(reading)).toMatchObject({ code: 'ORIGIN_TRUNCATED', canRetry: true });
    expect(received).toBeLessThanOrEqual(70_000);
  });

  test('that is silent before the headers stalls after the idle timeout, not before', async () => {
    const { origin, server, clock } = originAt(await startHttpServer(() => {}));
    const describing = failureOf(origin.describe(REF));
    let isOver = false;
    void describing.then(() => (isOver = true));
    await server.requested(1);
    await clock.advance(originDefaults.idleTimeoutMs - 1);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await describing).toMatchObject({ code: 'ORIGIN_STALLED', canRetry: true });
  });

  test('that is silent in the middle of a body stalls', async () => {
    const { origin, image, clock } = await withData((_, response) => {
      response.writeHead(200, { 'content-length': BYTES.length }).write(BYTES.subarray(0, 70_000));
    });
    let received = 0;
    const stream = origin.open(image)[Symbol.asyncIterator]();
    while (received < 70_000) received += ((await stream.next()).value as Uint8Array).length;
    const next = failureOf(stream.next());
    await clock.advance(originDefaults.idleTimeoutMs);
    expect(await next).toMatchObject({ code: 'ORIGIN_STALLED' });
  });

  test('a reader may take its time: that is no silence of the origin', async () => {
    const { origin, image, clock } = await withData((request, response) => serveBytes(request, response, BYTES));
    const read: Uint8Array[] = [];
    for await (const buffer of origin.open(image)) {
      read.push(buffer);
      await clock.advance(10 * originDefaults.idleTimeoutMs);
    }
    expect(Buffer.concat(read).equals(BYTES)).toBe(true);
  });

  test('a reader that leaves does not wait behind a read that hangs', async () => {
    const { origin, image, server } = await withData((_, response) => {
      response.writeHead(200, { 'content-length': BYTES.length }).flushHeaders();
    });
    const stream = origin.open(image)[Symbol.asyncIterator]();
    const hanging = stream.next();
    hanging.catch(() => {});
    await server.requested(2);
    await stream.return?.();
    await expect(hanging).rejects.toThrow('the reader has left');
  });

  test('closing the origin ends what hangs', async () => {
    const { origin, server } = originAt(await startHttpServer(() => {}));
    const describing = failureOf(origin.describe(REF));
    await server.requested(1);
    await origin.close();
    expect(await describing).toMatchObject({ code: 'ORIGIN_CLOSED' });
  });

  test('bytes after a body do not become the answer to the next request', async () => {
    const body = JSON.stringify(glanceRecord(ID, BYTES));
    const forged = JSON.stringify(glanceRecord(ID, BYTES.subarray(1)));
    const head = (length: number): string => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
    const server = await startRawServer((socket) =>
      socket.write(`${head(body.length)}${body}${head(forged.length)}${forged}`),
    );
    const { origin } = originAt(server);
    for (let i = 0; i < 5; i += 1) expect((await origin.describe(REF)).imageBytes).toBe(BYTES.length);
  });
});

describe('a body', () => {
  test.for([
    ['shorter', 199_999],
    ['longer', 200_001],
  ] as const)('that is declared %s than the image is a changed image, and nothing of it is given', async ([, size]) => {
    const { origin, image } = await withData((_, response) => {
      response.writeHead(200, { 'content-length': size }).end(Buffer.alloc(size));
    });
    const stream = origin.open(image)[Symbol.asyncIterator]();
    expect(await failureOf(stream.next())).toMatchObject({ code: 'ORIGIN_CHANGED' });
  });

  test('without a length that ends too early is truncated', async () => {
    const { origin, image } = await withData((_, response) => {
      response.write(BYTES.subarray(0, 150_000));
      response.end();
    });
    expect(await failureOf(readAll(origin.open(image)))).toMatchObject({ code: 'ORIGIN_TRUNCATED' });
  });

  test('without a length that does not end in time is a changed image', async () => {
    const { origin, image } = await withData((_, response) => {
      response.write(BYTES);
      response.end('more');
    });
    expect(await failureOf(readAll(origin.open(image)))).toMatchObject({ code: 'ORIGIN_CHANGED' });
  });

  test('that is encoded although nobody asked is refused', async () => {
    const { origin, image } = await withData((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(BYTES);
    });
    expect(await failureOf(readAll(origin.open(image)))).toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
  });

  test('with the checksum of another image is a changed image', async () => {
    const { origin, image } = await withData((request, response) =>
      serveBytes(request, response, BYTES, { headers: { 'content-md5': '0'.repeat(32) } }),
    );
    expect(await failureOf(readAll(origin.open(image)))).toMatchObject({ code: 'ORIGIN_CHANGED' });
    expect(await failureOf(readAll(origin.open(image, { offset: 9 })))).toMatchObject({ code: 'ORIGIN_CHANGED' });
  });

  test('without a checksum is that of the image if the record still says the same', async () => {
    let record = glanceRecord(ID, BYTES);
    const server = await startHttpServer((request, response) => {
      if (request.url?.endsWith('/file')) serveBytes(request, response, BYTES);
      else response.end(JSON.stringify(record));
    });
    const { origin } = originAt(server);
    const image = await origin.describe(REF);
    expect((await readAll(origin.open(image))).equals(BYTES)).toBe(true);
    record = { ...record, os_hash_value: '0'.repeat(128) };
    expect(await failureOf(readAll(origin.open(image)))).toMatchObject({ code: 'ORIGIN_CHANGED' });
  });

  test('of a part that is another part than was asked for is refused', async () => {
    const { origin, image } = await withData((_, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-9/${BYTES.length}` }).end(BYTES.subarray(0, 10));
    });
    const reading = readAll(origin.open(image, { offset: 5, length: 10 }));
    expect(await failureOf(reading)).toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
  });

  test('of a part of an image of another size is a changed image', async () => {
    const { origin, image } = await withData((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 5-14/300000' }).end(BYTES.subarray(5, 15));
    });
    const reading = readAll(origin.open(image, { offset: 5, length: 10 }));
    expect(await failureOf(reading)).toMatchObject({ code: 'ORIGIN_CHANGED' });
  });
});

describe('a store without ranges', () => {
  async function withoutRanges(options: Partial<GlanceOriginOptions> = {}): Promise<Subject & { image: OriginImage }> {
    const glance = createGlanceLike({ hasRanges: false });
    glance.images.set(ID, BYTES);
    const subject = originAt(await startHttpServer(glance.answer), options);
    return { ...subject, image: await subject.origin.describe(REF) };
  }

  test('is found out by the first range, and not asked for one again', async () => {
    const { origin, server, image } = await withoutRanges();
    expect(origin.canRange(image)).toBe(true);
    const part = { offset: 100_000, length: 10 };
    for (let i = 0; i < 2; i += 1) {
      expect((await readAll(origin.open(image, part))).equals(BYTES.subarray(100_000, 100_010))).toBe(true);
      expect(origin.canRange(image)).toBe(false);
    }
    expect(server.requests.filter(({ headers }) => headers.range !== undefined)).toHaveLength(1);
  });

  test('is not read to throw away more than is allowed', async () => {
    const { origin, server, image } = await withoutRanges({ maxDiscardBytes: 1000 });
    const far = () => readAll(origin.open(image, { offset: 1001, length: 10 }));
    expect(await failureOf(far())).toMatchObject({ code: 'ORIGIN_NO_RANGE' });
    const asked = server.requests.length;
    expect(await failureOf(far())).toMatchObject({ code: 'ORIGIN_NO_RANGE' });
    expect(server.requests).toHaveLength(asked);
    expect((await readAll(origin.open(image, { offset: 1000, length: 10 }))).equals(BYTES.subarray(1000, 1010))).toBe(
      true,
    );
  });

  test('a Glance that ignores ranges is read from the start too', async () => {
    const { origin, image } = await withData((request, response) =>
      serveBytes(request, response, BYTES, { hasRanges: false }),
    );
    expect((await readAll(origin.open(image, { offset: 77_777 }))).equals(BYTES.subarray(77_777))).toBe(true);
    expect(origin.canRange(image)).toBe(false);
  });
});

describe('a token', () => {
  test('is asked for before every request and sent as it is', async () => {
    let count = 0;
    const glance = createGlanceLike();
    glance.images.set(ID, BYTES);
    const { origin, server } = originAt(await startHttpServer(glance.answer), {
      token: async () => `token-${(count += 1)}`,
    });
    await readAll(origin.open(await origin.describe(REF)));
    expect(server.requests.map(({ headers }) => headers['x-auth-token'])).toEqual(['token-1', 'token-2']);
  });

  test('is not sent where there is none', async () => {
    const glance = createGlanceLike();
    glance.images.set(ID, BYTES);
    const { origin, server } = originAt(await startHttpServer(glance.answer), { token: async () => undefined });
    await origin.describe(REF);
    expect(server.requests[0]?.headers).not.toHaveProperty('x-auth-token');
  });

  test.for(['', `${SECRET}\r\nx-evil: 1`, `${SECRET}\n`, `${SECRET}ü`])(
    'that cannot be one is not sent (%j)',
    async (token) => {
      const { origin, server } = originAt(await startHttpServer(() => {}), { token: async () => token });
      expect(await failureOf(origin.describe(REF))).toMatchObject({ code: 'ORIGIN_UNAUTHORIZED' });
      expect(server.requests).toEqual([]);
    },
  );

  test('that cannot be had fails the call with its own error', async () => {
    const reason = new Error('no such file');
    const { origin } = originAt(await startHttpServer(() => {}), { token: () => Promise.reject(reason) });
    await expect(origin.describe(REF)).rejects.toBe(reason);
  });
});

describe('a record', () => {
  test.for([
    ['queued', 'ORIGIN_NO_DATA'],
    ['saving', 'ORIGIN_NO_DATA'],
    ['importing', 'ORIGIN_NO_DATA'],
    ['killed', 'ORIGIN_NO_DATA'],
    ['deactivated', 'ORIGIN_FORBIDDEN'],
    ['deleted', 'ORIGIN_GONE'],
    ['pending_delete', 'ORIGIN_GONE'],
  ] as const)('of an image that is %s is %s', async ([status, code]) => {
    const { origin } = await withRecord({ ...glanceRecord(ID, BYTES), status, size: null });
    expect(await failureOf(origin.describe(REF))).toMatchObject({ code });
  });

  test.for([
    ['sha512', 128, 'sha512'],
    ['sha384', 96, 'sha384'],
    ['sha256', 64, 'sha256'],
    ['blake2b', 128, 'blake2b512'],
  ] as const)('with a %s binds the content', async ([os_hash_algo, digits, algorithm]) => {
    const { origin } = await withRecord({
      ...glanceRecord(ID, BYTES),
      os_hash_algo,
      os_hash_value: 'AB'.repeat(digits / 2),
    });
    const image = await origin.describe(REF);
    expect(image.hash).toEqual({ algorithm, value: 'ab'.repeat(digits / 2) });
    expect(image.version).toContain(image.hash?.value);
  });

  test.for([
    [null, null],
    ['md5', 'ab'.repeat(16)],
    ['sha512', 'ab'.repeat(16)],
    ['sha512', 'xy'.repeat(64)],
    ['constructor', 'ab'.repeat(64)],
  ])(
    'without a hash that is one (%s) describes an image without a hash, of some version',
    async ([algorithm, value]) => {
      const record = { ...glanceRecord(ID, BYTES), os_hash_algo: algorithm, os_hash_value: value };
      const { origin } = await withRecord(record);
      const image = await origin.describe(REF);
      expect(image).toMatchObject({ hash: undefined, imageBytes: BYTES.length, format: 'qcow2', name: 'vm-shelved' });
      const later = await withRecord({ ...record, created_at: '2026-12-01T00:00:00Z' });
      expect((await later.origin.describe(REF)).version).not.toBe(image.version);
    },
  );

  test('without a name is called by its id', async () => {
    const { origin } = await withRecord({ ...glanceRecord(ID, BYTES), name: null });
    expect((await origin.describe(REF)).name).toBe(ID);
  });

  test.for([
    ['of another image', { ...glanceRecord(glanceId(2), BYTES) }],
    ['without an id', { status: 'active' }],
    ['without a status', { id: ID }],
    ['that is active and has no size', { id: ID, status: 'active' }],
    ['with half a byte', { id: ID, status: 'active', size: 0.5 }],
    ['with less than nothing', { id: ID, status: 'active', size: -1 }],
    ['that is a list', []],
    ['that is nothing', null],
  ] as const)('%s is a bad answer', async ([, record]) => {
    const { origin } = await withRecord(record as object);
    expect(await failureOf(origin.describe(REF))).toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
  });

  test.for([
    ['a page for people', '<html>'],
    ['without an end', `[${'0,'.repeat(originDefaults.maxRecordBytes / 2)}0]`],
  ] as const)('that is %s is a bad answer', async ([, body]) => {
    const { origin } = originAt(await startHttpServer((_, response) => response.end(body)));
    expect(await failureOf(origin.describe(REF))).toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
  });
});

describe('a list', () => {
  test('follows its pages and passes over what is not active', async () => {
    const pages: Record<string, unknown>[] = [
      { images: [glanceRecord(glanceId(1), BYTES), glanceRecord(glanceId(2), BYTES)], next: `/v2/images?marker=2` },
      { images: [{ ...glanceRecord(glanceId(3), BYTES), status: 'queued', size: null }], next: '/v2/images?marker=3' },
      { images: [glanceRecord(glanceId(4), BYTES)], next: '/v2/images?marker=4' },
      { images: [] },
    ];
    const { origin, server } = originAt(
      await startHttpServer((_, response) => response.end(JSON.stringify(pages.shift()))),
    );
    const refs: string[] = [];
    for await (const { ref } of origin.list()) refs.push(ref);
    expect(refs).toEqual([glanceId(1), glanceId(2), glanceId(4)]);
    expect(server.requests.slice(1).map(({ url }) => url)).toEqual(
      [2, 3, 4].map((marker) => `/v2/images?marker=${marker}`),
    );
    for (const { headers } of server.requests) expect(headers['x-auth-token']).toBe(SECRET);
  });

  test.for(['http://elsewhere/v2/images?marker=1', '//elsewhere/', '/v2/tasks?', '/v2/images/../../x?'])(
    'is not followed to %s',
    async (next) => {
      const page = { images: [glanceRecord(ID, BYTES)], next };
      const { origin, server } = originAt(await startHttpServer((_, response) => response.end(JSON.stringify(page))));
      const listing = (async () => {
        for await (const _ of origin.list());
      })();
      expect(await failureOf(listing)).toMatchObject({ code: 'ORIGIN_BAD_ANSWER' });
      expect(server.requests).toHaveLength(1);
    },
  );
});

describe('a URL of Glance', () => {
  test.for(['', '/', '/v2', '/v2/', '/image', '/image/v2/'])('may end with %j', async (path) => {
    const server = await startHttpServer((_, response) => response.end(JSON.stringify(glanceRecord(ID, BYTES))));
    const { origin } = originAt(server, { url: server.url + path });
    await origin.describe(REF);
    expect(server.requests[0]?.url).toBe(`${path.startsWith('/image') ? '/image' : ''}/v2/images/${ID}`);
  });

  test.for([
    'controller:9292',
    'ftp://controller',
    'http://me:hunter2@controller',
    'http://controller/?a=hunter2',
    '',
    'http:// hunter2',
  ])('is refused if it cannot be one, without showing what may be a password (%s)', (url) => {
    const create = () => createGlanceOrigin({ clock: createVirtualClock() }, { url });
    expect(create).toThrow(expect.objectContaining({ code: 'ORIGIN_BAD_URL' }));
    expect(create).not.toThrow(/hunter2/);
  });

  test('is asked for nothing that is no image id', async () => {
    const { origin, server, clock } = originAt(await startHttpServer(() => {}));
    const image = { ...(await imageLike()), ref: imageRef('../v2/images') };
    for (const work of [origin.describe(image.ref), readAll(origin.open(image))]) {
      expect(await failureOf(work)).toMatchObject({ code: 'ORIGIN_NOT_FOUND' });
    }
    expect(server.requests).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('leaves no timer behind', async () => {
    const { origin, image, clock } = await withData((request, response) => serveBytes(request, response, BYTES));
    await readAll(origin.open(image));
    for await (const _ of origin.open(image)) break;
    expect(clock.pending).toBe(0);
  });
});

async function imageLike(): Promise<OriginImage> {
  const { origin } = await withRecord(glanceRecord(ID, BYTES));
  return await origin.describe(REF);
}

test('a Glance that is started again after its connections were closed is asked over new ones', async () => {
  const glance = createGlanceLike();
  glance.images.set(ID, BYTES);
  const sockets = new Set<IncomingMessage['socket']>();
  const { origin } = originAt(
    await startHttpServer((request, response) => {
      sockets.add(request.socket);
      glance.answer(request, response);
    }),
  );
  await origin.describe(REF);
  for (const socket of sockets) {
    const closed = once(socket, 'close');
    socket.destroy();
    await closed;
  }
  await origin.describe(REF);
  expect(sockets.size).toBe(2);
});
