import { once } from 'node:events';
import { connect } from 'node:net';
import { createVirtualClock } from '@quarry/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { answerAsGlance, ID, imageFixture, isFileRequest, patternBytes } from './support/glance-images.ts';
import { openBroken, openBytes } from './support/memory-images.ts';
import { reply, startScriptedGlance, type ScriptedGlance, type WireRequest } from './support/scripted-glance.ts';
import { ask, startGateway, type TestGateway } from './support/start-gateway.ts';

const FILE = `/v2/images/${ID}/file`;
const bytes = patternBytes(300_001);
const image = imageFixture(bytes);
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  answer: (request: WireRequest) => void | Promise<void> = answerAsGlance(image),
  options: Parameters<typeof startGateway>[1] = {},
): Promise<{ readonly glance: ScriptedGlance; readonly gateway: TestGateway }> {
  const glance = await startScriptedGlance(answer);
  open.push(glance);
  const gateway = await startGateway(glance.url, options);
  open.push(gateway);
  return { glance, gateway };
}

const asGlance = answerAsGlance(image);
const isData = (request: WireRequest): boolean => isFileRequest(request, bytes.length);
/** Answers like Glance, but for the data: the n-th request for that (from 0) is the test's. */
function withData(data: (request: WireRequest, n: number) => void): (request: WireRequest) => void {
  let n = 0;
  return (request) => (isData(request) ? data(request, n++) : asGlance(request));
}
/** The head of the whole image, and nothing more. */
function head({ socket }: WireRequest): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`);
}
const rangesOf = (glance: ScriptedGlance): (string | undefined)[] =>
  glance.requests.filter(isData).map(({ headers }) => headers['range']);
type OpenOptions = Parameters<TestGateway['images']['onOpen']>[1];
const noGrant = (): void => {};
const never = (): Promise<never> => new Promise(() => {});
const fail = async (): Promise<never> => {
  throw new Error('all peers are gone');
};
/** Resolves when `what` holds; asked again after each turn of the event loop. */
async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve));
}

describe('an image that Quarry knows', () => {
  it('is served without a byte of Glance, under the headers that Glance would have sent', async () => {
    const { glance, gateway } = await start();
    gateway.images.onOpen = async (_, options) => openBytes(bytes, options);
    const answer = await ask(gateway.url, FILE, { headers: { 'X-Auth-Token': 'secret' } });
    expect(answer.body.equals(bytes)).toBe(true);
    expect(answer.status).toBe(200);
    const names = answer.rawHeaders.filter((_, index) => index % 2 === 0);
    expect(names.slice(0, 5)).toEqual([
      'Content-Type',
      'Content-Md5',
      'Content-Length',
      'X-Openstack-Request-Id',
      'Date',
    ]);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect(glance.requests.map(({ target, headers }) => `${target} ${headers['range']}`)).toEqual([
      `/v2/images/${ID} undefined`,
      `${FILE} bytes=${bytes.length}-`,
    ]);
    expect(gateway.served).toMatchObject([
      { status: 200, served: 'quarry', sentBytes: bytes.length, reason: undefined },
    ]);
  });

  it('is served in part where a range is asked for', async () => {
    const { gateway } = await start();
    gateway.images.onOpen = async (_, options) => openBytes(bytes, options);
    const answer = await ask(gateway.url, FILE, { headers: { Range: 'bytes=1000-70000' } });
    expect(answer).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 1000-70000/300001' } });
    expect(answer.body.equals(bytes.subarray(1000, 70_001))).toBe(true);
    expect(gateway.images.opened).toMatchObject([{ offset: 1000, length: 69_001 }]);
  });

  it('is opened for who asks, with all that Glance says of it', async () => {
    const { gateway } = await start();
    let asker: string | undefined;
    gateway.images.onOpen = async (_, options) => {
      asker = options.caller.headers['x-auth-token'];
      return openBytes(bytes, options);
    };
    await ask(gateway.url, FILE, { headers: { 'X-Auth-Token': 'secret' } });
    expect(asker).toBe('secret');
    expect(gateway.images.opened[0]?.image).toEqual({
      ref: ID,
      domain: 'project:0123456789abcdef0123456789abcdef',
      baseImage: '99999999-8888-7777-6666-555555555555',
      instance: '11111111-2222-3333-4444-555555555555',
      imageBytes: bytes.length,
      hash: { algorithm: 'sha512', value: image.record['os_hash_value'] },
    });
  });

  it('is told of in the audit by who asked, and without his tokens', async () => {
    const { gateway } = await start();
    gateway.images.onOpen = async (_, options) => openBytes(bytes, options);
    const headers = {
      'X-Auth-Token': 'SECRET-1',
      'X-Service-Token': 'SECRET-2',
      'X-OpenStack-Request-ID': 'req-nova',
      'User-Agent': 'python-glanceclient',
    };
    await ask(gateway.url, FILE, { headers });
    expect(gateway.served).toMatchObject([
      {
        requestId: 'req-nova',
        userAgent: 'python-glanceclient',
        image: ID,
        domain: 'project:0123456789abcdef0123456789abcdef',
        method: 'GET',
        status: 200,
        bytesBySource: { local: bytes.length, origin: 0 },
      },
    ]);
    expect(gateway.served[0]?.client).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(JSON.stringify([gateway.served, gateway.log])).not.toContain('SECRET');
    expect(gateway.answered).toEqual([{ route: 'file-get', status: 200 }]);
  });

  it('is asked for with both tokens each time, and nothing is remembered', async () => {
    const { glance, gateway } = await start();
    gateway.images.onOpen = async (_, options) => openBytes(bytes, options);
    const headers = { 'X-Auth-Token': 'user', 'X-Service-Token': 'service', Accept: '*/*' };
    for (let i = 0; i < 2; i += 1) await ask(gateway.url, FILE, { headers });
    expect(glance.requests.length).toBe(4);
    for (const request of glance.requests)
      expect(request.headers).toMatchObject({ 'x-auth-token': 'user', 'x-service-token': 'service' });
  });

  it.each(['401 Unauthorized', '403 Forbidden', '404 Not Found'])(
    'is not served where Glance says %s to the data, and its answer is the client’s',
    async (status) => {
      const { gateway } = await start((request) => {
        if (!request.target.endsWith('/file')) return asGlance(request);
        reply(
          request,
          status,
          [
            ['Content-Type', 'text/html'],
            ['Www-Authenticate', 'Keystone'],
          ],
          'no',
        );
      });
      gateway.images.onOpen = async (_, options) => openBytes(bytes, options);
      const answer = await ask(gateway.url, FILE);
      expect(`${answer.status} ${answer.statusMessage}`).toBe(status);
      expect(answer.headers['www-authenticate']).toBe('Keystone');
      expect(answer.body.toString()).toBe('no');
      expect([gateway.images.opened, gateway.served]).toEqual([[], []]);
    },
  );

  it.each([
    ['is not shown', { status: 404 }],
    ['is deactivated', { record: { status: 'deactivated' } }],
    ['has no hash', { record: { os_hash_value: null } }],
    ['has a hash that we do not know', { record: { os_hash_algo: 'sha3_512' } }],
    ['is another one', { record: { id: '00000000-0000-4000-8000-000000000000' } }],
    ['is empty', { record: { size: 0 } }],
  ])('is left to Glance where it %s', async (_, { status, record }: { status?: number; record?: object }) => {
    const { glance, gateway } = await start((request) => {
      if (request.target.endsWith('/file'))
        return reply(request, '418 Own Words', [['Content-Type', 'text/html']], 'x');
      const body = JSON.stringify({ ...image.record, ...record });
      reply(request, `${status ?? 200} So`, [['Content-Type', 'application/json']], body);
    });
    const answer = await ask(gateway.url, FILE);
    expect(answer.status).toBe(418);
    expect(glance.requests.length).toBe(2);
    expect(gateway.images.opened).toEqual([]);
  });

  it.each([{ Range: 'bytes=0-1,4-5' }, { Range: 'bytes=300001-' }, { 'Content-Range': 'bytes 0-9/*' }])(
    'is left to Glance where the request has %j',
    async (headers) => {
      const { glance, gateway } = await start();
      const straight = await ask(glance.url, FILE, { headers });
      const through = await ask(gateway.url, FILE, { headers });
      expect({ ...through, rawHeaders: [], headers: {} }).toEqual({ ...straight, rawHeaders: [], headers: {} });
      expect(gateway.images.opened).toEqual([]);
    },
  );

  it('is left to Glance where the probe brings data: that is no yes', async () => {
    const { gateway } = await start((request) => {
      if (request.target.endsWith('/file')) return reply(request, '200 OK', [['Content-Type', 'x']], bytes);
      asGlance(request);
    });
    const answer = await ask(gateway.url, FILE);
    expect(answer.body.equals(bytes)).toBe(true);
    expect(gateway.images.opened).toEqual([]);
    expect(gateway.served).toMatchObject([{ served: 'passed', reason: 'unclear-probe', sentBytes: bytes.length }]);
  });

  it('makes a 503 in words where Glance cannot be asked, which Nova asks again', async () => {
    const { glance, gateway } = await start();
    await glance.close();
    const answer = await ask(gateway.url, FILE);
    expect(answer.status).toBe(503);
    expect(answer.headers['content-type']).toMatch(/^text\/plain/);
  });

  it.each([
    ['where opening fails', fail],
    ['where its first byte fails', async (o: OpenOptions) => openBroken(bytes, o, o.offset, fail)],
    ['where it is shorter than it should be', async (o: OpenOptions) => openBytes(bytes, { ...o, length: 0 })],
    [
      'where it is longer than it should be',
      async () => openBytes(Buffer.alloc(400_000), { offset: 0, length: 400_000 }, 400_000),
    ],
  ] as const)('is passed on from Glance, before the first byte, %s', async (_, onOpen) => {
    const { gateway } = await start(asGlance, { retryMs: 10_000 });
    gateway.images.onOpen = (_image, options) => onOpen(options);
    const answer = await ask(gateway.url, FILE);
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.body.equals(bytes)).toBe(true);
    expect(gateway.served).toMatchObject([{ served: 'passed' }]);
    expect(gateway.images.origin.held).toBe(0);
  });

  it('is passed on from Glance where Quarry makes no progress for too long', async () => {
    const clock = createVirtualClock();
    const { gateway } = await start(asGlance, { clock, openMs: 5_000 });
    let isGivenUp = false;
    gateway.images.onOpen = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          isGivenUp = true;
          reject(signal.reason);
        });
      });
    const answered = ask(gateway.url, FILE);
    await until(() => gateway.images.opened.length > 0);
    await clock.advance(4_999);
    expect(gateway.images.origin.held).toBe(0);
    await clock.advance(1);
    expect((await answered).body.equals(bytes)).toBe(true);
    expect(isGivenUp).toBe(true);
  });
});

describe('a download from Quarry that has begun', () => {
  const breaks: readonly (readonly [how: string, then: () => Promise<unknown>])[] = [
    ['fails', fail],
    ['ends too early', async () => undefined],
  ];
  it.each(breaks)('goes on from Glance at the very byte where Quarry %s', async (_, then) => {
    const { glance, gateway } = await start();
    gateway.images.onOpen = async (_image, options) => openBroken(bytes, options, 131_072, then);
    const answer = await ask(gateway.url, FILE);
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.body.equals(bytes)).toBe(true);
    expect(rangesOf(glance)).toEqual(['bytes=131072-300000']);
    expect(gateway.served).toMatchObject([
      { served: 'quarry', bytesBySource: { local: 131_072, origin: bytes.length - 131_072 } },
    ]);
    expect(gateway.served[0]?.reason).toBeTruthy();
    expect(gateway.images.origin).toEqual({ held: 0, takenBytes: bytes.length - 131_072 });
  });

  it.each(breaks)('is cut where Quarry %s before it has proven what it gave', async (_, then) => {
    const { glance, gateway } = await start();
    gateway.images.onOpen = async (_image, options) => ({
      ...openBroken(bytes, options, 131_072, then),
      isProvenLast: true,
    });
    // How much of it is out by then is the system's affair; it may be nothing.
    const answer = await ask(gateway.url, FILE).catch(() => undefined);
    expect(answer?.isWhole ?? false).toBe(false);
    await until(() => gateway.served.length > 0);
    expect(gateway.served).toMatchObject([{ served: 'cut' }]);
    expect(rangesOf(glance)).toEqual([]);
  });

  it('goes on within its range', async () => {
    const { glance, gateway } = await start();
    gateway.images.onOpen = async (_, options) => openBroken(bytes, options, 70_000, fail);
    const answer = await ask(gateway.url, FILE, { headers: { Range: 'bytes=50000-100000' } });
    expect(answer.body.equals(bytes.subarray(50_000, 100_001))).toBe(true);
    expect(rangesOf(glance)).toEqual(['bytes=70000-100000']);
  });

  it('goes on by what it needs of the whole where the store has no ranges', async () => {
    const { glance, gateway } = await start(answerAsGlance(image, { hasRanges: false }));
    gateway.images.onOpen = async (_, options) => openBroken(bytes, options, 131_072, fail);
    const answer = await ask(gateway.url, FILE);
    expect(answer.body.equals(bytes)).toBe(true);
    expect(rangesOf(glance)).toEqual(['bytes=131072-300000', undefined]);
    expect(gateway.images.origin.takenBytes).toBe(bytes.length);
  });

  it('goes on from Glance where Quarry is silent, before the client could think that all is lost', async () => {
    const clock = createVirtualClock();
    const { gateway } = await start(asGlance, { clock, switchMs: 5_000, stallMs: 20_000 });
    gateway.images.onOpen = async (_, options) => openBroken(bytes, options, 131_072, never);
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET ${FILE} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n`);
    const blocks: Buffer[] = [];
    let receivedBytes = 0;
    socket.on('data', (block: Buffer) => {
      blocks.push(block);
      receivedBytes += block.length;
    });
    await until(() => receivedBytes > 131_072);
    await clock.advance(5_000);
    await once(socket, 'close');
    const all = Buffer.concat(blocks);
    expect(all.subarray(all.indexOf('\r\n\r\n') + 4).equals(bytes)).toBe(true);
    expect(gateway.served).toMatchObject([{ served: 'quarry', reason: 'GATEWAY_STALLED' }]);
  });

  it('has time to go on elsewhere also where the stall time is short and nothing else is said', async () => {
    const { gateway } = await start(asGlance, { stallMs: 600 });
    gateway.images.onOpen = async (_, options) => openBroken(bytes, options, 131_072, never);
    const answer = await ask(gateway.url, FILE);
    expect(answer.body.equals(bytes)).toBe(true);
  });

  it('goes on from Quarry where Glance is busy and Quarry can again', async () => {
    const { glance, gateway } = await start(asGlance, { retryMs: 5 });
    gateway.images.onOriginRead = never;
    gateway.images.onOpen = async (_, options) =>
      gateway.images.opened.length === 1 ? openBroken(bytes, options, 131_072, fail) : openBytes(bytes, options);
    const answer = await ask(gateway.url, FILE);
    expect(answer.body.equals(bytes)).toBe(true);
    expect(rangesOf(glance)).toEqual([]);
    expect(gateway.images.opened).toMatchObject([{ offset: 0 }, { offset: 131_072, length: bytes.length - 131_072 }]);
  });

  it.each([
    ['Glance has another image under the id by now', { os_hash_value: 'ab'.repeat(64) }, 200],
    ['the image is gone', {}, 404],
    ['the token has expired', {}, 401],
  ])('is cut where Quarry fails and %s', async (_, record, status) => {
    let shows = 0;
    const { glance, gateway } = await start((request) => {
      if (request.target.endsWith('/file') || shows++ === 0) return asGlance(request);
      reply(request, `${status} So`, [['Content-Type', 'x']], JSON.stringify({ ...image.record, ...record }));
    });
    gateway.images.onOpen = async (_image, options) => openBroken(bytes, options, 131_072, fail);
    const answer = await ask(gateway.url, FILE);
    expect(answer).toMatchObject({ status: 200, isWhole: false });
    expect(bytes.subarray(0, 131_072).equals(answer.body)).toBe(true);
    expect(rangesOf(glance)).toEqual([]);
    expect(gateway.served).toMatchObject([{ served: 'cut', sentBytes: 131_072 }]);
    expect(gateway.images.origin.held).toBe(0);
  });

  it.each([
    ['another range', 'bytes 0-168928/300001'],
    ['another size', 'bytes 131072-300000/300002'],
  ])('is cut where Glance goes on with %s', async (_, range) => {
    const { gateway } = await start(
      withData((request) => reply(request, '206 Partial Content', [['Content-Range', range]], bytes.subarray(131_072))),
    );
    gateway.images.onOpen = async (_image, options) => openBroken(bytes, options, 131_072, fail);
    const answer = await ask(gateway.url, FILE);
    expect(answer.isWhole).toBe(false);
    expect(bytes.subarray(0, 131_072).equals(answer.body)).toBe(true);
  });

  it('is cut where somebody before Glance encodes what it goes on with', async () => {
    const { glance, gateway } = await start(
      withData((request) =>
        reply(
          request,
          '206 Partial Content',
          [
            ['Content-Range', 'bytes 131072-300000/300001'],
            ['Content-Encoding', 'br'],
          ],
          bytes.subarray(131_072),
        ),
      ),
    );
    gateway.images.onOpen = async (_image, options) => openBroken(bytes, options, 131_072, fail);
    const answer = await ask(gateway.url, FILE, { headers: { 'Accept-Encoding': 'gzip, deflate' } });
    expect(answer.isWhole).toBe(false);
    expect(glance.requests.filter(isData).map(({ headers }) => headers['accept-encoding'])).toEqual(['identity']);
  });

  it('is cut where nobody can go on for the stall time, and not before', async () => {
    const clock = createVirtualClock();
    const { glance, gateway } = await start(asGlance, { clock, stallMs: 20_000, retryMs: 1_000 });
    gateway.images.onOpen = async (_, options) =>
      gateway.images.opened.length === 1 ? openBroken(bytes, options, 131_072, fail) : undefined;
    gateway.images.onOriginRead = never;
    const answered = ask(gateway.url, FILE);
    await until(() => gateway.images.opened.length > 0);
    await clock.advance(19_000);
    expect(gateway.served).toEqual([]);
    expect(gateway.images.opened.length).toBeGreaterThan(10);
    await clock.advance(1_001);
    const answer = await answered;
    expect(answer.isWhole).toBe(false);
    expect(bytes.subarray(0, 131_072).equals(answer.body)).toBe(true);
    expect(gateway.served).toMatchObject([{ served: 'cut', reason: 'GATEWAY_STALLED' }]);
    expect(rangesOf(glance)).toEqual([]);
  });

  it('ends all that is under way where the client leaves', async () => {
    const { gateway } = await start();
    let reason: unknown;
    gateway.images.onOpen = async (_, options) => {
      options.signal.addEventListener('abort', () => {
        reason = options.signal.reason;
      });
      return openBroken(bytes, options, 131_072, never);
    };
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET ${FILE} HTTP/1.1\r\nHost: g\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await until(() => gateway.served.length > 0);
    expect(reason).toMatchObject({ code: 'GATEWAY_CLIENT_GONE' });
    expect(gateway.served).toMatchObject([{ served: 'cut', reason: 'GATEWAY_CLIENT_GONE' }]);
  });

  it('holds Quarry up where the client does not read', async () => {
    const big = patternBytes(32 * 2 ** 20);
    const { gateway } = await start(answerAsGlance(imageFixture(big)));
    let given = 0;
    gateway.images.onOpen = async (_, options) => {
      const opened = openBytes(big, options, 2 ** 20);
      return {
        ...opened,
        bytes: (async function* () {
          for await (const block of opened.bytes) {
            given += block.length;
            yield block;
          }
        })(),
      };
    };
    const socket = connect(gateway.port, '127.0.0.1');
    socket.pause();
    socket.write(`GET ${FILE} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n`);
    let before = -1;
    while (given === 0 || given !== before) {
      before = given;
      for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(given).toBeLessThan(big.length / 2);
    let received = 0;
    socket.on('data', (block: Buffer) => {
      received += block.length;
    });
    socket.resume();
    await once(socket, 'close');
    expect(given).toBe(big.length);
    expect(received).toBeGreaterThan(big.length);
  });
});

describe('an image that nobody knows', () => {
  it('is passed on from Glance under the budget, and taken in as it passes', async () => {
    const { gateway } = await start();
    const answer = await ask(gateway.url, FILE);
    expect(answer.body.equals(bytes)).toBe(true);
    await gateway.images.taken[0]?.ended;
    expect(gateway.images.taken).toMatchObject([{ outcome: 'published', image: { ref: ID } }]);
    expect(gateway.images.taken[0]?.bytes.equals(bytes)).toBe(true);
    expect(gateway.images.origin).toEqual({ held: 0, takenBytes: bytes.length });
    expect(gateway.served).toMatchObject([
      { served: 'passed', reason: 'unknown-image', bytesBySource: { origin: bytes.length } },
    ]);
  });

  it('is passed on where it cannot be taken in', async () => {
    const { gateway } = await start();
    gateway.images.take = fail;
    expect((await ask(gateway.url, FILE)).body.equals(bytes)).toBe(true);
  });

  it('is passed on, and not taken in, where its bytes are not those that Glance says', async () => {
    const wrong = Buffer.from(bytes);
    wrong[200_000] = (wrong[200_000] ?? 0) ^ 1;
    const { gateway } = await start(answerAsGlance({ ...image, bytes: wrong }));
    expect((await ask(gateway.url, FILE)).body.equals(wrong)).toBe(true);
    await gateway.images.taken[0]?.ended;
    expect(gateway.images.taken).toMatchObject([{ outcome: 'nothing' }]);
    await until(() => gateway.log.length > 0);
    expect(gateway.log.join('')).toContain('GATEWAY_CONTENT_MISMATCH');
  });

  it('is passed on as it comes, and not taken in, where somebody before Glance encodes it', async () => {
    const { gateway } = await start(
      withData((request) => reply(request, '200 OK', [['Content-Encoding', 'gzip']], bytes)),
    );
    const answer = await ask(gateway.url, FILE);
    expect(answer).toMatchObject({ status: 200, headers: { 'content-encoding': 'gzip' } });
    expect(answer.body.equals(bytes)).toBe(true);
    expect(gateway.images.taken).toEqual([]);
    expect(gateway.images.origin.held).toBe(0);
  });

  it('is passed on in part, and not taken in', async () => {
    const { gateway } = await start();
    const answer = await ask(gateway.url, FILE, { headers: { Range: 'bytes=5-50000' } });
    expect(answer).toMatchObject({ status: 206, isWhole: true });
    expect(answer.body.equals(bytes.subarray(5, 50_001))).toBe(true);
    expect(gateway.images.taken).toEqual([]);
  });

  it('waits for the budget, and takes what somebody has published meanwhile', async () => {
    const { glance, gateway } = await start(asGlance, { retryMs: 5 });
    let isReleased = false;
    let grant: () => void = () => {};
    gateway.images.onOriginRead = () =>
      new Promise((resolve) => {
        grant = () => resolve({ take: async () => {}, release: () => void (isReleased = true) });
      });
    gateway.images.onOpen = async (_, options) =>
      gateway.images.opened.length < 4 ? undefined : openBytes(bytes, options);
    const answer = await ask(gateway.url, FILE);
    expect(answer.body.equals(bytes)).toBe(true);
    expect(rangesOf(glance)).toEqual([]);
    expect(gateway.served).toMatchObject([{ served: 'quarry' }]);
    grant(); // too late: given back
    await until(() => isReleased);
  });

  it('is passed on where there is no budget to ask', async () => {
    const { gateway } = await start();
    gateway.images.onOriginRead = fail;
    expect((await ask(gateway.url, FILE)).body.equals(bytes)).toBe(true);
    expect(gateway.log.join('')).toContain('without a budget');
  });

  it('is passed on no faster than the budget lets it', async () => {
    const { gateway } = await start();
    let grant: () => void = noGrant;
    gateway.images.onOriginRead = async () => ({
      take: () =>
        new Promise((resolve) => {
          grant = resolve;
        }),
      release: () => {},
    });
    let received = 0;
    const socket = connect(gateway.port, '127.0.0.1');
    socket.on('data', (block: Buffer) => {
      received += block.length;
    });
    socket.write(`GET ${FILE} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n`);
    for (let seen = 0; received < bytes.length; seen = received) {
      await until(() => grant !== noGrant);
      const now = grant;
      grant = noGrant;
      now();
      await until(() => received > seen);
    }
    await once(socket, 'close');
  });

  it.each([
    ['503 Service Unavailable', 'text/html', '<html>busy</html>'],
    ['503 Service Unavailable', 'application/json', '{"code":"503"}'],
    ['204 No Content', 'text/html', ''],
    ['500 Internal Server Error', 'text/plain', ''],
  ])('brings the client Glance’s own %s (%s)', async (status, type, body) => {
    const { gateway } = await start(withData((request) => reply(request, status, [['Content-Type', type]], body)));
    const answer = await ask(gateway.url, FILE);
    expect(`${answer.status} ${answer.statusMessage} ${answer.headers['content-type']}`).toBe(`${status} ${type}`);
    expect(answer.body.toString()).toBe(body);
    expect(gateway.images.origin.held).toBe(0);
    expect(gateway.served).toEqual([]);
  });

  it('makes a 503 in words where Glance breaks off before the first byte', async () => {
    const { gateway } = await start(withData(({ socket }) => void socket.resetAndDestroy()));
    const answer = await ask(gateway.url, FILE);
    expect(answer).toMatchObject({ status: 503, isWhole: true });
    expect(answer.headers['content-type']).toMatch(/^text\/plain/);
    expect(gateway.images.origin.held).toBe(0);
  });

  it.each([
    ['truncates', (socket: WireRequest['socket']) => void socket.end()],
    ['resets', (socket: WireRequest['socket']) => void socket.resetAndDestroy()],
  ])('goes on at the very byte where Glance %s the body', async (_, then) => {
    const { glance, gateway } = await start(
      withData((request, n) => {
        if (n > 0) return asGlance(request);
        head(request);
        request.socket.write(bytes.subarray(0, 100_000), () => then(request.socket));
      }),
      { retryMs: 5 },
    );
    const answer = await ask(gateway.url, FILE);
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.body.equals(bytes)).toBe(true);
    expect(rangesOf(glance)[0]).toBeUndefined();
    expect(rangesOf(glance)[1]).toMatch(/^bytes=\d+-300000$/);
    await gateway.images.taken[0]?.ended;
    expect(gateway.images.taken).toMatchObject([{ outcome: 'published' }]);
  });

  it('goes on when Glance is back, where it was gone for less than the stall time', async () => {
    const { glance, gateway } = await start(
      withData((request, n) => {
        if (n === 0) {
          head(request);
          return void request.socket.write(bytes.subarray(0, 100_000), () => request.socket.resetAndDestroy());
        }
        if (n < 4) return reply(request, '503 Service Unavailable', [['Content-Type', 'text/plain']], 'busy');
        asGlance(request);
      }),
      { retryMs: 5 },
    );
    expect((await ask(gateway.url, FILE)).body.equals(bytes)).toBe(true);
    expect(rangesOf(glance).length).toBe(5);
    expect(gateway.images.origin.held).toBe(0);
  });

  it('is cut where Glance hangs in the body for the stall time, and nothing is kept of it', async () => {
    const clock = createVirtualClock();
    const { gateway } = await start(
      withData((request, n) => {
        if (n > 0) return;
        head(request);
        request.socket.write(bytes.subarray(0, 100_000));
      }),
      { clock, stallMs: 20_000, switchMs: 5_000 },
    );
    const answered = ask(gateway.url, FILE);
    await until(() => gateway.images.origin.takenBytes === 100_000);
    for (let i = 0; i < 21; i += 1) {
      expect(gateway.served.length === 0 || i === 20).toBe(true);
      await clock.advance(1_000);
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = await answered;
    expect(answer.isWhole).toBe(false);
    expect(bytes.subarray(0, 100_000).equals(answer.body)).toBe(true);
    expect(gateway.served).toMatchObject([{ served: 'cut' }]);
    expect(gateway.images.origin.held).toBe(0);
    await gateway.images.taken[0]?.ended;
    expect(gateway.images.taken).toMatchObject([{ outcome: 'nothing' }]);
  });

  it('is not taken in where the client leaves', async () => {
    const { gateway } = await start(
      withData((request) => {
        head(request);
        request.socket.write(bytes.subarray(0, 100_000));
      }),
    );
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET ${FILE} HTTP/1.1\r\nHost: g\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await until(() => gateway.images.taken[0]?.outcome === 'nothing' && gateway.images.origin.held === 0);
  });
});

describe('closing the gateway', () => {
  it('lets a download end within the grace, and takes no new connection', async () => {
    const { gateway } = await start();
    let resume: () => void = noGrant;
    gateway.images.onOpen = async (_, options) =>
      openBroken(
        bytes,
        options,
        131_072,
        () => new Promise((_resolve, reject) => (resume = () => reject(new Error('x')))),
      );
    const answered = ask(gateway.url, FILE);
    await until(() => resume !== noGrant);
    const closed = gateway.gateway.close({ graceMs: 60_000 });
    await expect(ask(gateway.url, '/v2/images')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    resume();
    expect((await answered).body.equals(bytes)).toBe(true);
    await closed;
  });

  it('cuts what is not over after the grace', async () => {
    const clock = createVirtualClock();
    const { gateway } = await start(asGlance, { clock });
    gateway.images.onOpen = async (_, options) => openBroken(bytes, options, 131_072, never);
    const answered = ask(gateway.url, FILE);
    await until(() => gateway.images.opened.length > 0);
    const closed = gateway.gateway.close({ graceMs: 1_000 });
    await clock.advance(1_000);
    await closed;
    expect((await answered.catch(() => ({ isWhole: false }))).isWhole).toBe(false);
    await expect(gateway.gateway.listen({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject({
      code: 'GATEWAY_CLOSED',
    });
  });
});
