// What cannot travel in bulk travels over libp2p, and goes back when it can.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { once } from 'node:events';
import { createVirtualClock } from '@quarry/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import { bytes, startBulkNode, startNode, text, until } from '../network/nodes.ts';

const PROTOCOL = '/quarry/test/1';

async function ask(asker: Libp2pNetwork, peer: Libp2pNetwork): Promise<string> {
  return text(await asker.request(peer.peerId, PROTOCOL, bytes('hello'), { maxBytes: 100 }));
}

function echo<T extends Libp2pNetwork>(node: T): T {
  node.handle(PROTOCOL, { maxRequestBytes: 100 }, async (request) => request.bytes);
  return node;
}

async function meet(asker: Libp2pNetwork, peer: Libp2pNetwork): Promise<void> {
  await asker.dial(peer.peerId, peer.addresses());
}

/** A port at which nobody is. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Passes on what comes in, both ways, when it has been opened. */
function gateTo(port: number, onPassed: () => void, opened: Promise<void> = Promise.resolve()): Server {
  const gate = createServer((socket) => {
    void opened.then(() => {
      const target = connect(port, '127.0.0.1', onPassed);
      for (const [from, to] of [
        [socket, target],
        [target, socket],
      ] as const) {
        from.on('error', () => {}).on('close', () => void to.destroy());
        from.pipe(to);
      }
    });
  });
  onTestFinished(() => void gate.close());
  return gate;
}

describe('a request goes over libp2p', () => {
  test('to a peer that does not know of bulk', async () => {
    const [asker, peer] = [await startBulkNode('tls'), echo(await startNode())];
    await meet(asker, peer);
    expect(await ask(asker, peer)).toBe('hello');
    expect(asker.bulk()).toMatchObject({ fallbacks: 1, sentBytes: 0, openConnections: 0 });
  });

  test.for([
    ['that listens nowhere', { listen: [] }],
    ['that offers its port to nobody', { offers: false }],
    ['that takes no more connections', { maxConnections: 0 }],
  ] as const)('to a peer %s', async ([, options]) => {
    const [asker, peer] = [await startBulkNode('tls'), echo(await startBulkNode('tls', {}, {}, options))];
    await meet(asker, peer);
    expect(await ask(asker, peer)).toBe('hello');
    expect(asker.bulk().fallbacks).toBe(1);
  });

  test('to a peer whose port cannot be reached, and the others are not affected', async () => {
    const asker = await startBulkNode('tls');
    const peer = echo(await startBulkNode('tls'));
    const announce = [`/ip4/127.0.0.1/tcp/${await closedPort()}`];
    const unreachable = echo(await startBulkNode('tls', {}, {}, { announce }));
    await meet(asker, unreachable);
    await meet(asker, peer);
    expect(await ask(asker, unreachable)).toBe('hello');
    expect(await ask(asker, unreachable)).toBe('hello');
    expect(await ask(asker, peer)).toBe('hello');
    expect(asker.bulk()).toMatchObject({ fallbacks: 2, openConnections: 1 });
  });

  test('from a node that does not connect, which answers in bulk all the same', async () => {
    const [quiet, other] = [
      echo(await startBulkNode('tls', {}, {}, { connects: false })),
      echo(await startBulkNode('tls')),
    ];
    await meet(quiet, other);
    expect(await ask(quiet, other)).toBe('hello');
    expect(quiet.bulk()).toMatchObject({ fallbacks: 0, openConnections: 0 });
    expect(await ask(other, quiet)).toBe('hello');
    expect(other.bulk()).toMatchObject({ fallbacks: 0, openConnections: 1 });
  });
});

test('a port that has come back is used again', async () => {
  const clock = createVirtualClock();
  const [gatePort, realPort] = [await closedPort(), await closedPort()];
  const [announce, listen] = [gatePort, realPort].map((port) => [`/ip4/127.0.0.1/tcp/${port}`]);
  const peer = echo(await startBulkNode('tls', {}, {}, { ...(announce && listen && { announce, listen }) }));
  const asker = await startBulkNode('tls', {}, { clock }, { retryFirstMs: 5_000 });
  await meet(asker, peer);
  expect(await ask(asker, peer)).toBe('hello');
  expect(asker.bulk().fallbacks).toBe(1);

  const passed = Promise.withResolvers<void>();
  const gate = gateTo(realPort, passed.resolve);
  gate.listen(gatePort, '127.0.0.1');
  await once(gate, 'listening');
  await clock.advance(4_999);
  expect(await ask(asker, peer)).toBe('hello');
  expect(asker.bulk().fallbacks).toBe(2);
  await clock.advance(1);
  expect(await ask(asker, peer)).toBe('hello'); // this one sets off the try, and does not wait for it
  expect(asker.bulk().fallbacks).toBe(3);
  await passed.promise;
  while (asker.bulk().openConnections === 0) expect(await ask(asker, peer)).toBe('hello');
  const { fallbacks } = asker.bulk();
  expect(await ask(asker, peer)).toBe('hello');
  expect(asker.bulk().fallbacks).toBe(fallbacks);
});

test('a connection that takes long is not waited for, and is there for the next request', async () => {
  const clock = createVirtualClock();
  const [gatePort, realPort] = [await closedPort(), await closedPort()];
  const [announce, listen] = [gatePort, realPort].map((port) => [`/ip4/127.0.0.1/tcp/${port}`]);
  const opened = Promise.withResolvers<void>();
  const gate = gateTo(realPort, () => {}, opened.promise);
  gate.listen(gatePort, '127.0.0.1');
  await once(gate, 'listening');
  const knocked = once(gate, 'connection');
  const peer = echo(await startBulkNode('tls', {}, {}, { ...(announce && listen && { announce, listen }) }));
  const asker = await startBulkNode('tls', {}, { clock }, { connectPatienceMs: 2_000, connectTimeoutMs: 15_000 });
  await meet(asker, peer);

  const first = ask(asker, peer);
  await knocked;
  await clock.advance(1_999);
  expect(asker.bulk().fallbacks).toBe(0);
  await clock.advance(1);
  expect(await first).toBe('hello');
  expect(await ask(asker, peer)).toBe('hello'); // meanwhile nobody waits, nor tries
  expect(asker.bulk()).toMatchObject({ fallbacks: 2, openConnections: 0 });
  opened.resolve();
  await until(() => asker.bulk().openConnections === 1);
  expect(await ask(asker, peer)).toBe('hello');
  expect(asker.bulk()).toMatchObject({ fallbacks: 2, openConnections: 1 });
});
