// Who can open a bulk connection: nobody but whoever was told how over Noise, and only while that connection stands.
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { createVirtualClock } from '@quarry/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BulkNetwork } from '../../src/bulk/create-bulk-network.ts';
import { TICKET_MARK } from '../../src/bulk/bulk-tls.ts';
import { encodeBulkOffer } from '../../src/protocol/bulk-offer.ts';
import type { BulkOffer } from '../../src/protocol/bulk-offer.ts';
import { protocols } from '../../src/protocol/protocol-names.ts';
import { bytes, disconnected, newClusterKey, startBulkNode, startNode, text, until } from '../network/nodes.ts';
import { askForBulk, openBulk, startRawNode } from '../network/raw-node.ts';
import type { RawNode } from '../network/raw-node.ts';

const PROTOCOL = '/quarry/test/1';
const clusterKey = newClusterKey();
const startRaw = (): Promise<RawNode> => startRawNode(clusterKey);

/** A node that counts what reaches its handler. */
async function startServer(
  mode: 'tls' | 'plain',
  options: Parameters<typeof startBulkNode>[3] = {},
  deps: Parameters<typeof startBulkNode>[2] = {},
): Promise<{ node: BulkNetwork; served: string[] }> {
  const node = await startBulkNode(mode, {}, { clusterKey, ...deps }, options);
  const served: string[] = [];
  node.handle(PROTOCOL, { maxRequestBytes: 100 }, async (request) => {
    served.push(request.peer);
    return request.bytes;
  });
  return { node, served };
}

/** Asks as a member would, and says what came back: '' when the connection ended instead. */
function converse(socket: Socket): Promise<string> {
  const heard: Buffer[] = [];
  socket.on('data', (data: Buffer) => {
    heard.push(data);
    const all = Buffer.concat(heard);
    if (all.byteLength >= 1 + 5 + 2) socket.destroy();
  });
  socket.on('error', () => {});
  socket.write(
    Buffer.concat([Uint8Array.of(PROTOCOL.length), bytes(PROTOCOL), Uint8Array.of(0, 0, 0, 2), bytes('hi')]),
  );
  return once(socket, 'close').then(() => text(Buffer.concat(heard).subarray(6)));
}

const portOf = (node: BulkNetwork): number => Number(/tcp\/(\d+)/.exec(node.bulkAddresses()[0] ?? '')?.[1]);

function connectSilently(node: BulkNetwork): Socket {
  const socket = connectTcp(portOf(node), '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  onTestFinished(() => void socket.destroy());
  return socket;
}

describe('with TLS', () => {
  test('a member gets in with what it was told, as often as it likes', async () => {
    const { node, served } = await startServer('tls');
    const member = await startRaw();
    const offer = await askForBulk(member, node, 'tls');
    expect(await converse(await openBulk(offer))).toBe('hi');
    expect(await converse(await openBulk(offer))).toBe('hi');
    expect(served).toEqual([member.peerId, member.peerId]);
  });

  test('each member is told another key, and is taken for itself', async () => {
    const { node, served } = await startServer('tls');
    const [one, other] = [await startRaw(), await startRaw()];
    const offers = [await askForBulk(one, node, 'tls'), await askForBulk(other, node, 'tls')] as const;
    expect(offers[0].secret).not.toEqual(offers[1].secret);
    await converse(await openBulk(offers[1]));
    await converse(await openBulk(offers[0]));
    expect(served).toEqual([other.peerId, one.peerId]);
  });

  test.for([
    ['an id that nobody was told', (offer: BulkOffer) => ({ ...offer, id: new Uint8Array(16) })],
    [
      'the id of another and a key of its own',
      (offer: BulkOffer) => ({ ...offer, secret: new Uint8Array(32).fill(9) }),
    ],
  ] as const)('whoever comes with %s is refused in the handshake', async ([, forge]) => {
    const { node, served } = await startServer('tls');
    const offer = await askForBulk(await startRaw(), node, 'tls');
    await expect(openBulk(forge(offer))).rejects.toThrow();
    await until(() => node.bulk().refused === 1);
    expect([served, node.bulk().openConnections]).toEqual([[], 0]);
  });

  test.for([
    ['without a key', {}],
    ['with TLS 1.2', { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2', ciphers: 'PSK' }],
    ['with another cipher', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }],
  ] as const)('a client %s is refused in the handshake', async ([what, options]) => {
    const { node, served } = await startServer('tls');
    const offer = await askForBulk(await startRaw(), node, 'tls');
    const changed = what === 'without a key' ? { pskCallback: undefined, rejectUnauthorized: false } : options;
    await expect(openBulk(offer, changed)).rejects.toThrow();
    await until(() => node.bulk().refused === 1);
    expect(served).toEqual([]);
  });

  test('a session that was recorded cannot be taken up again', async () => {
    const { node, served } = await startServer('tls');
    const offer = await askForBulk(await startRaw(), node, 'tls');
    const first = (await openBulk(offer)) as TLSSocket;
    const sessions: Buffer[] = [];
    first.on('session', (session) => sessions.push(session));
    expect(await converse(first)).toBe('hi');
    for (const session of [...sessions, first.getSession()]) {
      if (!session) continue;
      const changed = { session, pskCallback: undefined, rejectUnauthorized: false };
      await expect(openBulk(offer, changed)).rejects.toThrow();
    }
    expect(served).toHaveLength(1);
  });

  test.for<readonly [string, (node: BulkNetwork, member: RawNode) => void]>([
    ['banned', (node, member) => node.ban(member.peerId, 'sent a bad chunk')],
    ['hung up on', (node, member) => node.hangUp(member.peerId)],
    ['gone', (_, member) => void member.libp2p.stop()],
  ])('a member that is %s loses its connections, and its key opens nothing any more', async ([, part]) => {
    const { node, served } = await startServer('tls');
    const member = await startRaw();
    const offer = await askForBulk(member, node, 'tls');
    const open = await openBulk(offer);
    open.on('error', () => {}).resume();
    const cut = once(open, 'close');
    const gone = disconnected(node, member.peerId);
    part(node, member);
    await Promise.all([cut, gone]);
    await expect(openBulk(offer)).rejects.toThrow();
    expect([served, node.bulk().openConnections]).toEqual([[], 0]);
  });

  test('a member that comes back is told another key', async () => {
    const { node } = await startServer('tls');
    const member = await startRaw();
    const before = await askForBulk(member, node, 'tls');
    const gone = disconnected(node, member.peerId);
    node.hangUp(member.peerId);
    await gone;
    await until(() => member.libp2p.getConnections().length === 0);
    const after = await askForBulk(member, node, 'tls');
    expect(after.secret).not.toEqual(before.secret);
    await expect(openBulk(before)).rejects.toThrow();
    expect(await converse(await openBulk(after))).toBe('hi');
  });

  test('a node that was not asked to does not speak plain TCP', async () => {
    const { node, served } = await startServer('tls');
    const offer = await askForBulk(await startRaw(), node, 'plain');
    expect(offer.mode).toBe('tls');
    const socket = connectSilently(node);
    await once(socket, 'connect');
    socket.write(Buffer.concat([Uint8Array.of(TICKET_MARK), offer.id, offer.secret]));
    await once(socket, 'close');
    expect(served).toEqual([]);
  });
});

describe('with plain TCP', () => {
  test('a ticket opens one connection', async () => {
    const { node, served } = await startServer('plain');
    const member = await startRaw();
    const offer = await askForBulk(member, node, 'plain');
    expect(offer.mode).toBe('plain');
    expect(await converse(await openBulk(offer))).toBe('hi');
    expect(await converse(await openBulk(offer))).toBe('');
    expect(served).toEqual([member.peerId]);
  });

  test('a ticket whose secret is wrong is void from then on', async () => {
    const { node, served } = await startServer('plain');
    const offer = await askForBulk(await startRaw(), node, 'plain');
    expect(await converse(await openBulk({ ...offer, secret: new Uint8Array(32) }))).toBe('');
    expect(await converse(await openBulk(offer))).toBe('');
    expect(served).toEqual([]);
  });

  test('of tickets that are not used the oldest go', async () => {
    const { node } = await startServer('plain', { maxConnectionsPerPeer: 1 });
    const member = await startRaw();
    const offers = [];
    for (let i = 0; i < 3; i += 1) offers.push(await askForBulk(member, node, 'plain'));
    const answers = [];
    for (const offer of offers) answers.push(await converse(await openBulk(offer)));
    expect(answers).toEqual(['', 'hi', 'hi']);
  });

  test('a ticket ends with the connection over which it was told', async () => {
    const { node, served } = await startServer('plain');
    const member = await startRaw();
    const offer = await askForBulk(member, node, 'plain');
    const gone = disconnected(node, member.peerId);
    node.hangUp(member.peerId);
    await gone;
    expect(await converse(await openBulk(offer))).toBe('');
    expect(served).toEqual([]);
  });

  test('who wants TLS gets it from a node that would speak plainly', async () => {
    const { node } = await startServer('plain');
    const offer = await askForBulk(await startRaw(), node, 'tls');
    expect(offer.mode).toBe('tls');
    expect(await converse(await openBulk(offer))).toBe('hi');
    const asker = await startBulkNode('tls', {}, { clusterKey });
    await asker.dial(node.peerId, node.addresses());
    expect(text(await asker.request(node.peerId, PROTOCOL, bytes('?'), { maxBytes: 9 }))).toBe('?');
    expect(asker.bulk().fallbacks).toBe(0);
  });
});

describe.for(['tls', 'plain'] as const)('a stranger at the port (%s)', (mode) => {
  test.for([
    ['nonsense', bytes('GET / HTTP/1.1\r\n\r\n')],
    ['nonsense that begins like TLS', Buffer.concat([Uint8Array.of(0x16, 3, 1), new Uint8Array(300).fill(0xff)])],
    ['nonsense that begins like a ticket', new Uint8Array(200).fill(TICKET_MARK)],
  ] as const)('who sends %s is cut', async ([, nonsense]) => {
    const { node, served } = await startServer(mode);
    const socket = connectSilently(node);
    await once(socket, 'connect');
    socket.write(nonsense);
    await once(socket, 'close');
    expect([served, node.bulk().openConnections]).toEqual([[], 0]);
  });

  test('who says nothing, or one byte after the other, is cut in time', async () => {
    const clock = createVirtualClock();
    const { node } = await startServer(mode, { connectTimeoutMs: 2_000 }, { clock });
    const silent = connectSilently(node);
    const slow = connectSilently(node);
    await Promise.all([once(silent, 'connect'), once(slow, 'connect')]);
    await until(() => clock.pending >= 2 + 2); // their deadlines, and those that look for what is idle
    slow.write(Uint8Array.of(mode === 'tls' ? 0x16 : TICKET_MARK));
    await clock.advance(1_999);
    expect([silent.destroyed, slow.destroyed]).toEqual([false, false]);
    slow.write(Uint8Array.of(3));
    const cut = Promise.all([once(silent, 'close'), once(slow, 'close')]);
    await clock.advance(1);
    await cut;
    expect(node.bulk().refused).toBe(2);
  });

  test('who brings many others does not keep a member out', async () => {
    const { node } = await startServer(mode, { maxStrangers: 8 });
    const offer = await askForBulk(await startRaw(), node, mode);
    const strangers = Array.from({ length: 40 }, () => connectSilently(node));
    await Promise.all(strangers.map((stranger) => once(stranger, 'connect')));
    await until(() => strangers.filter(({ destroyed, readableEnded }) => !destroyed && !readableEnded).length <= 8);
    expect(await converse(await openBulk(offer))).toBe('hi');
  });
});

describe.for(['tls', 'plain'] as const)('a member at the port (%s)', (mode) => {
  test('has only so many connections; what is over is told so', async () => {
    const { node } = await startServer(mode, { maxConnectionsPerPeer: 1, protocols: [PROTOCOL] });
    const member = await startRaw();
    const verdicts: (number | undefined)[] = [];
    for (let i = 0; i < 4; i += 1) {
      const socket = await openBulk(await askForBulk(member, node, mode));
      const [verdict] = (await once(socket, 'data')) as [Buffer];
      verdicts.push(verdict[0]);
    }
    expect(verdicts).toEqual([1, 1, 0, 0]);
  });

  test('that gets in and asks for nothing is cut after a while', async () => {
    const clock = createVirtualClock();
    const { node } = await startServer(mode, { connectTimeoutMs: 2_000 }, { clock });
    const socket = await openBulk(await askForBulk(await startRaw(), node, mode));
    await once(socket, 'data');
    const cut = once(socket.on('error', () => {}).resume(), 'close');
    await clock.advance(2_000);
    await cut;
    expect(node.bulk().openConnections).toBe(0);
  });
});

describe('an asker', () => {
  /** A member whose offer leads to somebody else. */
  async function startLiar(port: number): Promise<{ asker: BulkNetwork; liar: Awaited<ReturnType<typeof startNode>> }> {
    const asker = await startBulkNode('tls', {}, { clusterKey });
    const liar = await startNode({}, { clusterKey });
    const secrets = { id: new Uint8Array(16).fill(1), secret: new Uint8Array(32).fill(2) };
    const offer = encodeBulkOffer({ mode: 'tls', ...secrets, places: [{ host: '127.0.0.1', port }] });
    liar.handle(protocols.bulk, { maxRequestBytes: 1 }, async () => offer);
    liar.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => bytes('over libp2p'));
    await asker.dial(liar.peerId, liar.addresses());
    return { asker, liar };
  }

  test('says nothing to whoever is at the address and does not hold the key', async () => {
    const heard: Buffer[] = [];
    const impostor = createTlsServer(
      { ciphers: 'TLS_AES_128_GCM_SHA256', pskCallback: () => new Uint8Array(32).fill(3) },
      (socket) => socket.on('data', (data: Buffer) => heard.push(data)),
    );
    onTestFinished(() => void impostor.close());
    impostor.listen(0, '127.0.0.1');
    await once(impostor, 'listening');
    const { asker, liar } = await startLiar((impostor.address() as AddressInfo).port);
    const answer = await asker.request(liar.peerId, PROTOCOL, bytes('?'), { maxBytes: 100 });
    expect(text(answer)).toBe('over libp2p');
    expect(asker.bulk().fallbacks).toBe(1);
    expect(heard).toEqual([]);
  });

  test('goes over libp2p when something else is at the address', async () => {
    const impostor = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end(new Uint8Array(100).fill(0x16)),
    );
    onTestFinished(() => void impostor.close());
    impostor.listen(0, '127.0.0.1');
    await once(impostor, 'listening');
    const { asker, liar } = await startLiar((impostor.address() as AddressInfo).port);
    await asker.request(liar.peerId, PROTOCOL, bytes('?'), { maxBytes: 100 });
    expect(asker.bulk()).toMatchObject({ fallbacks: 1, openConnections: 0 });
  });

  test('does not speak plainly to who offers that unasked', async () => {
    const asker = await startBulkNode('tls', {}, { clusterKey });
    const liar = await startNode({}, { clusterKey });
    const secrets = { id: new Uint8Array(16), secret: new Uint8Array(32) };
    let connections = 0;
    const server = createServer(() => {
      connections += 1;
    });
    onTestFinished(() => void server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const places = [{ host: '127.0.0.1', port: (server.address() as AddressInfo).port }];
    liar.handle(protocols.bulk, { maxRequestBytes: 1 }, async () =>
      encodeBulkOffer({ mode: 'plain', ...secrets, places }),
    );
    liar.handle(PROTOCOL, { maxRequestBytes: 100 }, async () => bytes('over libp2p'));
    await asker.dial(liar.peerId, liar.addresses());
    expect(text(await asker.request(liar.peerId, PROTOCOL, bytes('?'), { maxBytes: 100 }))).toBe('over libp2p');
    expect(connections).toBe(0);
  });
});

test('Node takes no other way into the TLS that is offered: a key is the only one', async () => {
  const { node } = await startServer('tls');
  const socket = connectTls({ port: portOf(node), host: '127.0.0.1', rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  await expect(once(socket, 'secureConnect')).rejects.toThrow();
});
