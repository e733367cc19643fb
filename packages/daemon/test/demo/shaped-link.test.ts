import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '@quarry/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { createShapedLink, type ShapedLink, type ShapedLinkOptions } from '../../src/demo/shaped-link.ts';

const MIB = 1024 * 1024;
const FAST = { rateBytesPerSecond: 10e9, burstBytes: 64 * MIB };
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server of the test's own; the returned sockets are those it accepted. */
async function listen(serve: (socket: Socket) => void): Promise<{ port: number; sockets: Socket[]; server: Server }> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets, server };
}

async function linkTo(ports: readonly number[], options: Partial<ShapedLinkOptions> = {}): Promise<ShapedLink> {
  const routes = ports.map((port) => ({ listen: 0, target: { host: '127.0.0.1', port } }));
  const link = await createShapedLink({ clock: systemClock }, { ...FAST, ...options, routes });
  closers.push(() => link.close());
  return link;
}

async function dial(port: number | undefined): Promise<Socket> {
  const socket = connect({ port: port ?? 0, host: '127.0.0.1', allowHalfOpen: true });
  closers.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function readAll(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await setImmediate();
}

/** Bytes that differ at every place, so that lost, doubled or swapped ones show. */
function pattern(bytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i, 2654435761);
  return Buffer.from(words.buffer, 0, bytes);
}

describe('a shaped link', () => {
  test('passes bytes unchanged both ways at once and counts them', async () => {
    const { port } = await listen((socket) => socket.pipe(socket));
    const link = await linkTo([port]);
    const socket = await dial(link.ports[0]);
    const sent = pattern(5 * MIB + 3);
    const received = readAll(socket);
    socket.end(sent);
    expect((await received).equals(sent)).toBe(true);
    expect(link.stats()).toEqual([
      expect.objectContaining({ connections: 1, upstreamBytes: sent.length, downstreamBytes: sent.length }),
    ]);
    await until(() => link.stats()[0]?.openConnections === 0);
  });

  test('keeps one direction going after the other has ended', async () => {
    const { port } = await listen((socket) => {
      socket.resume();
      socket.once('end', () => socket.end('only after your end'));
    });
    const link = await linkTo([port]);
    const socket = await dial(link.ports[0]);
    socket.end('request');
    expect((await readAll(socket)).toString()).toBe('only after your end');
  });

  test('an end of the target reaches the client, who may still send', async () => {
    const { port, sockets } = await listen((socket) => socket.end('done'));
    const link = await linkTo([port]);
    const socket = await dial(link.ports[0]);
    expect((await readAll(socket)).toString()).toBe('done');
    const late = readAll(sockets[0] as Socket);
    socket.end('still here');
    expect((await late).toString()).toBe('still here');
  });

  test('a reset of the target resets the client: what was cut off does not look whole', async () => {
    const { port } = await listen((socket) => socket.write('half', () => socket.resetAndDestroy()));
    const link = await linkTo([port]);
    const socket = await dial(link.ports[0]);
    await expect(readAll(socket)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('a reset of the client resets the target', async () => {
    const { port, sockets } = await listen(() => {});
    const link = await linkTo([port]);
    const socket = await dial(link.ports[0]);
    await until(() => sockets.length === 1);
    const hadError = new Promise((resolve) => (sockets[0] as Socket).once('close', resolve));
    (sockets[0] as Socket).resume();
    socket.resetAndDestroy();
    expect(await hadError).toBe(true);
    await until(() => link.stats()[0]?.openConnections === 0);
  });

  test('a target that nobody listens on ends the client', async () => {
    const { port, server } = await listen(() => {});
    server.close();
    const link = await linkTo([port]);
    const socket = await dial(link.ports[0]);
    await expect(readAll(socket)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await until(() => link.stats()[0]?.openConnections === 0);
  });

  test('is no faster than its rate, over all its routes together', async () => {
    const size = 3 * MIB;
    const { port } = await listen((socket) => socket.end(pattern(size)));
    const rate = 20e6;
    const link = await linkTo([port, port], { rateBytesPerSecond: rate, burstBytes: 64 * 1024 });
    const startedAtMs = performance.now();
    const sockets = await Promise.all([dial(link.ports[0]), dial(link.ports[1])]);
    const bodies = await Promise.all(sockets.map(readAll));
    const tookMs = performance.now() - startedAtMs;
    expect(bodies.map((body) => body.length)).toEqual([size, size]);
    const leastMs = ((2 * size - 64 * 1024) / rate) * 1000;
    expect(tookMs).toBeGreaterThan(leastMs * 0.99);
    expect(tookMs).toBeLessThan(leastMs * 3); // loose: this machine may be busy
    expect(link.stats().map((route) => route.downstreamBytes)).toEqual([size, size]);
  });

  test('requests are not slowed down by bodies: each direction has its own rate', async () => {
    const { port } = await listen((socket) => {
      socket.resume();
      socket.once('end', () => socket.end());
      socket.write(pattern(8 * MIB));
    });
    const link = await linkTo([port, port], { rateBytesPerSecond: 8e6, burstBytes: 64 * 1024 });
    const busy = await dial(link.ports[0]);
    busy.resume();
    await until(() => (link.stats()[0]?.downstreamBytes ?? 0) > 0.2e6);
    const asking = await dial(link.ports[1]);
    asking.resume();
    asking.end(pattern(400_000));
    await until(() => (link.stats()[1]?.upstreamBytes ?? 0) === 400_000);
    expect(link.stats()[0]?.downstreamBytes).toBeLessThan(4 * MIB);
  });

  // The exact shares are the shaper's to prove: here the machine decides how soon a sender has something to send.
  test('shares the rate between connections, also with one opened after the others had queued', async () => {
    const { port } = await listen((socket) => void socket.write(pattern(4 * MIB)));
    const link = await linkTo([port, port, port], { rateBytesPerSecond: 8e6, burstBytes: 64 * 1024 });
    const downstream = (index: number): number => link.stats()[index]?.downstreamBytes ?? 0;
    for (const first of [0, 1]) (await dial(link.ports[first])).resume();
    await until(() => downstream(0) > MIB / 2);
    const [atStart0, atStart1] = [downstream(0), downstream(1)];
    (await dial(link.ports[2])).resume();
    await until(() => downstream(2) > MIB / 2);
    for (const gained of [downstream(0) - atStart0, downstream(1) - atStart1]) {
      expect(gained).toBeGreaterThan(0.25 * MIB);
      expect(gained).toBeLessThan(MIB);
    }
  });

  test('a receiver that stops reading holds its sender back and nobody else', async () => {
    let sentBytes = 0;
    const { port } = await listen((socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(pattern(64 * 1024), (error) => void (error || (sentBytes += 65536))));
      };
      socket.on('drain', more);
      more();
    });
    const link = await linkTo([port, port]);
    const stuck = await dial(link.ports[0]);
    stuck.pause();
    // A megabyte in the link, the rest in the kernel's socket buffers; then nothing moves any more.
    let before = -1;
    while (sentBytes !== before) {
      before = sentBytes;
      const moving = await dial(link.ports[1]);
      moving.resume();
      const crossed = link.stats()[1]?.downstreamBytes ?? 0;
      await until(() => (link.stats()[1]?.downstreamBytes ?? 0) > crossed + 8 * MIB);
      moving.destroy();
      await until(() => link.stats()[1]?.openConnections === 0);
      sentBytes = link.stats()[0]?.downstreamBytes ?? 0;
    }
    expect(sentBytes).toBeLessThan(32 * MIB);
    expect(stuck.destroyed).toBe(false);
  });

  test('closing ends every connection at once and frees the ports', async () => {
    const { port } = await listen((socket) => void socket.write(pattern(4 * MIB)));
    const link = await linkTo([port], { rateBytesPerSecond: 1e6, burstBytes: 1000 });
    const sockets = await Promise.all([dial(link.ports[0]), dial(link.ports[0])]);
    const bodies = sockets.map(readAll);
    await until(() => link.stats()[0]?.openConnections === 2);
    const allEnded = Promise.allSettled(bodies);
    await link.close();
    for (const body of await allEnded) expect(body).toMatchObject({ status: 'rejected' });
    const again = createServer().listen(link.ports[0], '127.0.0.1');
    await once(again, 'listening');
    again.close();
  });

  test('a port that is taken fails the whole link and leaves nothing open', async () => {
    const { port } = await listen(() => {});
    const routes = [0, port].map((listenOn) => ({ listen: listenOn, target: { host: '127.0.0.1', port } }));
    const creating = createShapedLink({ clock: systemClock }, { ...FAST, routes });
    await expect(creating).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

describe('a shaped link in its own process', () => {
  const script = resolve(import.meta.dirname, '../../src/demo/shaped-link-process.ts');

  function start(options: ShapedLinkOptions): {
    child: ChildProcessWithoutNullStreams;
    answer: () => Promise<Record<string, unknown>>;
    ended: Promise<unknown[]>;
  } {
    const child = spawn(process.execPath, ['--conditions=source', script, JSON.stringify(options)]);
    closers.push(() => child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const answer = async (): Promise<Record<string, unknown>> => {
      const { value } = await lines.next();
      return JSON.parse(value ?? '{}') as Record<string, unknown>;
    };
    return { child, answer, ended: once(child, 'exit') };
  }

  test('says its ports, answers with its figures, and ends with its standard input', async () => {
    const { port } = await listen((socket) => socket.pipe(socket));
    const { child, answer, ended } = start({ ...FAST, routes: [{ listen: 0, target: { host: '127.0.0.1', port } }] });
    const [linkPort] = (await answer()).ports as number[];
    const socket = await dial(linkPort);
    socket.end('hello');
    expect((await readAll(socket)).toString()).toBe('hello');
    child.stdin.write('stats\nnonsense\nstats\n');
    for (let i = 0; i < 2; i += 1) {
      const route = { port: linkPort, connections: 1, upstreamBytes: 5, downstreamBytes: 5 };
      expect(await answer()).toEqual({ stats: { routes: [expect.objectContaining(route)] } });
    }
    const open = await dial(linkPort);
    const cut = readAll(open);
    child.stdin.end();
    await expect(cut).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await ended).toEqual([0, null]);
  });

  test('ends in order on SIGTERM, and leaves Ctrl-C to the one who started it', async () => {
    const { child, answer, ended } = start({ ...FAST, routes: [] });
    await answer();
    child.kill('SIGINT');
    child.stdin.write('stats\n');
    expect(await answer()).toEqual({ stats: { routes: [] } });
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  // A reset of a socket that is just ending keeps Node busy for ever in its exit.
  test('ends also after many connections broke off in the middle', async () => {
    const { port } = await listen((socket) => {
      socket.write(pattern(MIB));
      socket.on('drain', () => socket.write(pattern(MIB)));
    });
    const routes = [{ listen: 0, target: { host: '127.0.0.1', port } }];
    const { child, answer, ended } = start({ rateBytesPerSecond: 20e6, burstBytes: 64 * 1024, routes });
    const [linkPort] = (await answer()).ports as number[];
    for (let round = 0; round < 4; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 24 }, () => dial(linkPort)));
      await Promise.all(sockets.map((socket) => once(socket, 'data')));
      for (const socket of sockets) socket.on('error', () => {}).destroy();
    }
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
  });

  test('fails when a port is taken, and says so', async () => {
    const { port } = await listen(() => {});
    const { child, ended } = start({ ...FAST, routes: [{ listen: port, target: { host: '127.0.0.1', port } }] });
    const complaint = readAll(child.stderr);
    expect(await ended).toEqual([1, null]);
    expect((await complaint).toString()).toContain('EADDRINUSE');
  });
});
