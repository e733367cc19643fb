import { once } from 'node:events';
import { connect } from 'node:net';
import { createVirtualClock } from '@quarry/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { reply, startScriptedGlance, type ScriptedGlance, type WireRequest } from './support/scripted-glance.ts';
import { ask, askRaw, startGateway, type TestGateway } from './support/start-gateway.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  answer: (request: WireRequest) => void | Promise<void>,
  options: Parameters<typeof startGateway>[1] = {},
): Promise<{ readonly glance: ScriptedGlance; readonly gateway: TestGateway }> {
  const glance = await startScriptedGlance(answer);
  open.push(glance);
  const gateway = await startGateway(glance.url, options);
  open.push(gateway);
  return { glance, gateway };
}

async function bodyOf(request: WireRequest): Promise<string> {
  const blocks: Buffer[] = [];
  for await (const block of request.body) blocks.push(block);
  return Buffer.concat(blocks).toString('latin1');
}

/** Resolves when `what` holds; asked again after each turn of the event loop. */
async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a request that is passed on', () => {
  it('arrives with its headers in their order and case, without those of the connection', async () => {
    const { glance, gateway } = await start((request) => reply(request, '200 OK', []));
    const lines = ['Host: quarry:9292', 'x-Odd: \xe9', 'X-Auth-Token: t', 'x-odd: 2', 'Accept-Encoding: gzip'];
    await askRaw(
      gateway.port,
      `GET /v2/images?a=%20b&c HTTP/1.1\r\n${lines.join('\r\n')}\r\nKeep-Alive: 5\r\nConnection: close\r\n\r\n`,
    );
    expect(glance.requests[0]).toMatchObject({ method: 'GET', target: '/v2/images?a=%20b&c' });
    expect(glance.requests[0]?.lines).toEqual([...lines, 'Connection: keep-alive']);
  });

  it('names Glance itself as its host where it is told to', async () => {
    const glance = await startScriptedGlance((request) => reply(request, '200 OK', []));
    open.push(glance);
    const gateway = await startGateway(glance.url, { glance: { url: `${glance.url}/image/`, host: 'glance' } });
    open.push(gateway);
    await ask(gateway.url, '/versions');
    expect(glance.requests[0]?.headers['host']).toBe(`127.0.0.1:${glance.port}`);
    expect(glance.requests[0]?.target).toBe('/image/versions');
  });

  it('keeps its length, or is chunked where it had none', async () => {
    const bodies: string[] = [];
    const { glance, gateway } = await start(async (request) => {
      if (request.headers['transfer-encoding']) {
        for await (const block of request.body) {
          bodies.push(block.toString());
          if (bodies.join('').endsWith('0\r\n\r\n')) break;
        }
      } else bodies.push(await bodyOf(request));
      reply(request, '201 Created', []);
    });
    await ask(gateway.url, '/v2/images', { method: 'POST', body: '{}', headers: { 'content-length': 2 } });
    expect(bodies.splice(0)).toEqual(['{}']);
    const chunked = { 'transfer-encoding': 'chunked' };
    await ask(gateway.url, '/v2/images/stage', { method: 'PUT', body: 'abc', headers: chunked });
    expect(bodies.join('')).toBe('3\r\nabc\r\n0\r\n\r\n');
    await ask(gateway.url, '/v2/images/x', { method: 'DELETE', headers: { 'content-length': 0 } });
    expect(glance.requests.map(({ headers }) => headers['content-length'])).toEqual(['2', undefined, '0']);
  });

  it('sends its body only once Glance says that it is welcome, if it says that it waits for that', async () => {
    const seen: string[] = [];
    const { gateway } = await start(async (request) => {
      seen.push('head');
      request.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      seen.push(await bodyOf(request));
      reply(request, '204 No Content', []);
    });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(
      'PATCH /v2/x HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n',
    );
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    expect(seen).toEqual(['head']);
    socket.write('body');
    const [last] = (await once(socket, 'data')) as [Buffer];
    expect(last.toString()).toMatch(/^HTTP\/1.1 204 No Content\r\n/);
    expect(seen).toEqual(['head', 'body']);
    socket.destroy();
  });

  it('is answered where Glance refuses it before its body is read', async () => {
    const { gateway } = await start((request) => {
      request.socket.write('HTTP/1.1 413 Too Large\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nbig');
    });
    const answer = await ask(gateway.url, '/v2/stage', { method: 'PUT', body: Buffer.alloc(5_000_000) });
    expect(answer).toMatchObject({ status: 413, isWhole: true });
    expect(answer.body.toString()).toBe('big');
  });

  it('is sent again on a new connection where the kept one was just closed, if to ask twice is to ask once', async () => {
    let isStale = false;
    const { glance, gateway } = await start((request) => {
      if (isStale && request.connection === 0) return void request.socket.resetAndDestroy();
      reply(request, '200 OK', [['Content-Type', 'text/plain']], 'ok');
    });
    await ask(gateway.url, '/one');
    isStale = true;
    expect((await ask(gateway.url, '/two')).status).toBe(200);
    expect(glance.requests.map(({ target, connection }) => `${target} ${connection}`)).toEqual([
      '/one 0',
      '/two 0',
      '/two 1',
    ]);
  });

  it('has a connection of its own where it must not be sent twice', async () => {
    const { glance, gateway } = await start((request) => reply(request, '204 No Content', []));
    await ask(gateway.url, '/v2/images');
    for (const method of ['DELETE', 'POST', 'PATCH', 'PUT']) await ask(gateway.url, '/v2/images/x', { method });
    expect(glance.requests.map(({ connection }) => connection)).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('an answer that is passed on', () => {
  it('is the same to the byte: status line, headers, body', async () => {
    const head = 'HTTP/1.1 299 Odd  Reason\r\nx-b: 1\r\nX-A: \xe9\r\nX-b: 2\r\nDate: never\r\nContent-Length: 3\r\n';
    const { gateway } = await start(({ socket }) => void socket.write(`${head}\r\na\xffb`, 'latin1'));
    const answer = await askRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n');
    expect(answer).toBe(`${head}Connection: close\r\n\r\na\xffb`);
  });

  it('keeps the connection open in the words of Glance: only for who asks', async () => {
    const { gateway } = await start((request) => reply(request, '200 OK', [['X-A', '1']]));
    const asked = (connection: string): string => `GET / HTTP/1.1\r\nHost: g\r\n${connection}\r\n`;
    const text = asked('Connection: keep-alive\r\n') + asked('') + asked('Connection: close\r\n');
    const head = 'HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 0\r\n';
    expect(await askRaw(gateway.port, text)).toBe(
      `${head}Connection: keep-alive\r\n\r\n${head}\r\n${head}Connection: close\r\n\r\n`,
    );
  });

  it('is not followed where it leads elsewhere', async () => {
    const { gateway } = await start((request) => reply(request, '302 Found', [['Location', 'http://127.0.0.1:1/']]));
    expect(await ask(gateway.url, '/v2')).toMatchObject({ status: 302, headers: { location: 'http://127.0.0.1:1/' } });
  });

  it('gets no date of ours', async () => {
    const { gateway } = await start((request) => reply(request, '200 OK', []));
    expect((await ask(gateway.url, '/')).headers.date).toBeUndefined();
  });

  it.each([
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n'],
    ['until the connection closes', 'Connection: close\r\n\r\nabc'],
  ])('arrives whole where Glance sends it %s', async (_, rest) => {
    const { gateway } = await start(({ socket }) => void socket.end(`HTTP/1.1 200 OK\r\n${rest}`));
    const answer = await ask(gateway.url, '/');
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.body.toString()).toBe('abc');
  });

  it('comes after what Glance says in between', async () => {
    const { gateway } = await start(({ socket }) => {
      socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    expect((await ask(gateway.url, '/')).body.toString()).toBe('ok');
  });

  it('keeps the body of a 503, as HTML and as JSON', async () => {
    for (const [type, body] of [
      ['text/html', '<html>busy</html>'],
      ['application/json', '{"code":"503"}'],
    ] as const) {
      const { gateway } = await start((request) => reply(request, '503 Busy', [['Content-Type', type]], body));
      const answer = await ask(gateway.url, '/v2/images');
      expect(answer).toMatchObject({ status: 503, headers: { 'content-type': type } });
      expect(answer.body.toString()).toBe(body);
    }
  });

  it('gets a Content-Type where it is an error without one: Nova fails on that, and does not ask again', async () => {
    const { gateway } = await start((request) => reply(request, '503 Busy', []));
    expect((await ask(gateway.url, '/')).headers['content-type']).toBe('text/plain');
  });

  it.each([
    ['is cut short', (socket: WireRequest['socket']) => void socket.end('abc')],
    ['is reset', (socket: WireRequest['socket']) => void socket.write('abc', () => socket.resetAndDestroy())],
  ])('is cut for the client where it %s, never padded', async (_, then) => {
    const { gateway } = await start(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', () => then(socket));
    });
    const answer = await ask(gateway.url, '/');
    expect(answer).toMatchObject({ status: 200, isWhole: false });
    expect('abc'.startsWith(answer.body.toString())).toBe(true);
  });

  it('is cut where a chunked one breaks off, without the mark of its end', async () => {
    const { gateway } = await start(({ socket }) => {
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    });
    const answer = await askRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: g\r\n\r\n');
    expect(answer).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  it('is cut where Glance is silent in the middle for the stall time', async () => {
    const clock = createVirtualClock();
    const { gateway } = await start(
      ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
      { clock, stallMs: 1_000 },
    );
    const answered = ask(gateway.url, '/');
    await until(() => clock.pending > 0);
    // The body's watch, not the one for the head: it is armed when the first bytes are there.
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write('GET /other HTTP/1.1\r\nHost: g\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    await clock.advance(1_001);
    expect(await answered).toMatchObject({ status: 200, isWhole: false });
  });

  it('waits for a client that does not read, and for nobody else', async () => {
    const clock = createVirtualClock();
    const body = Buffer.alloc(24 * 2 ** 20, 'x');
    const { glance, gateway } = await start(
      ({ socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
      },
      { clock, stallMs: 1_000 },
    );
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n');
    await once(socket, 'connect');
    socket.pause();
    await until(() => glance.sockets.size > 0 && clock.pending > 0);
    for (let i = 0; i < 50; i += 1) await clock.advance(100);
    let received = 0;
    socket.on('data', (block: Buffer) => {
      received += block.length;
    });
    socket.resume();
    await once(socket, 'close');
    expect(received).toBeGreaterThan(body.length);
  });
});

describe('a Glance that does not answer', () => {
  it.each([
    ['GET', 503],
    ['DELETE', 503],
    ['POST', 503],
    ['PUT', 502],
  ])('that cannot be reached makes of a %s a %i in words', async (method, status) => {
    const { glance, gateway } = await start(() => {});
    await glance.close();
    const answer = await ask(gateway.url, '/v2/images', { method, headers: { 'X-Auth-Token': 'secret' } });
    expect(answer).toMatchObject({ status, isWhole: true });
    expect(answer.headers['content-type']).toMatch(/^text\/plain/);
    expect(answer.body.toString()).toContain('Glance cannot be reached');
  });

  it.each([
    ['GET', 503],
    ['POST', 502],
    ['PUT', 502],
  ])(
    'that breaks off before it answers makes of a %s a %i: what was sent may have been done',
    async (method, status) => {
      const { gateway } = await start(({ socket }) => void socket.destroy());
      expect(await ask(gateway.url, '/v2/images', { method })).toMatchObject({ status });
    },
  );

  it('that speaks no HTTP makes a 503 of a question, and tells nothing of what it said', async () => {
    const { gateway } = await start(({ socket }) => void socket.end('SSH-2.0-secret\r\n\r\n'));
    const answer = await ask(gateway.url, '/v2/images');
    expect(answer.status).toBe(503);
    expect(answer.body.toString() + gateway.log.join('')).not.toContain('SSH-2.0');
  });

  it('that hangs makes a 503 after the time it has to answer', async () => {
    const clock = createVirtualClock();
    const { glance, gateway } = await start(() => {}, { clock, answerMs: 1_000 });
    const answered = ask(gateway.url, '/v2/images');
    await until(() => glance.requests.length > 0);
    await clock.advance(1_001);
    expect(await answered).toMatchObject({ status: 503 });
  });

  it('may take as long as it likes to carry out what must not be asked twice', async () => {
    const clock = createVirtualClock();
    let finish: () => void = () => {};
    const { glance, gateway } = await start(
      (request) => {
        finish = () => reply(request, '202 Accepted', []);
      },
      { clock, answerMs: 1_000, stallMs: 1_000 },
    );
    const answered = ask(gateway.url, '/v2/images/x/import', { method: 'POST', body: '{}' });
    await until(() => glance.requests.length > 0);
    await clock.advance(3_600_000);
    finish();
    expect(await answered).toMatchObject({ status: 202 });
  });
});

describe('a client', () => {
  it('that leaves before the answer ends the request to Glance', async () => {
    const { glance, gateway } = await start(() => {});
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: g\r\n\r\n');
    await until(() => glance.requests.length > 0);
    socket.destroy();
    await until(() => glance.sockets.size === 0);
    expect(gateway.answered).toEqual([]);
  });

  it('that leaves in the middle of its upload does not make it look like a whole one', async () => {
    let ended = '';
    const { glance, gateway } = await start(async (request) => {
      ended = await bodyOf(request);
    });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await until(() => glance.requests.length > 0);
    socket.destroy();
    await until(() => glance.sockets.size === 0);
    expect(ended).not.toContain('0\r\n\r\n');
  });

  it('that speaks no HTTP, or too much of it, is told so in a word', async () => {
    const { gateway } = await start((request) => reply(request, '200 OK', []), { maxHeaderBytes: 2_000 });
    expect(await askRaw(gateway.port, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400 Bad Request\r\nContent-Type: text/);
    const long = `GET / HTTP/1.1\r\nHost: g\r\nX-Auth-Token: ${'s'.repeat(3_000)}\r\n\r\n`;
    expect(await askRaw(gateway.port, long)).toMatch(/^HTTP\/1.1 431 /);
    expect(gateway.log.join('')).not.toContain('sss');
  });
});
