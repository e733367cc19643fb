// A member that holds the cluster key and keeps no other rule: for what an honest node never sends.
import { noise } from '@chainsafe/libp2p-noise';
import { identify } from '@libp2p/identify';
import type { Libp2p, PrivateKey, Stream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { BulkMode } from '../../src/bulk/bulk-options.ts';
import { TICKET_MARK } from '../../src/bulk/bulk-tls.ts';
import type { ClusterKey } from '../../src/network/cluster-key.ts';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import { peerIdOf } from '../../src/network/peer-identity.ts';
import type { PeerId } from '../../src/ports/network.ts';
import { decodeBulkOffer, encodeBulkAsk, encodeBulkOffer } from '../../src/protocol/bulk-offer.ts';
import type { BulkOffer } from '../../src/protocol/bulk-offer.ts';
import { protocols } from '../../src/protocol/protocol-names.ts';

export interface RawNode {
  readonly peerId: PeerId;
  readonly libp2p: Libp2p;
  open(node: Libp2pNetwork, protocol: string): Promise<Stream>;
}

export async function startRawNode(clusterKey: ClusterKey, privateKey?: PrivateKey): Promise<RawNode> {
  const libp2p = await createLibp2p({
    ...(privateKey ? { privateKey } : {}),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise({ prologueBytes: clusterKey.handshakeSecret })],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
  onTestFinished(async () => await libp2p.stop());
  return {
    peerId: peerIdOf(libp2p.peerId),
    libp2p,
    open: async (node, protocol) => await libp2p.dialProtocol(multiaddr(node.addresses()[0]), protocol),
  };
}

/** Resolves when the other side has reset or closed the stream. */
export function ended(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.status !== 'open') return resolve();
    stream.addEventListener('close', () => resolve(), { once: true });
  });
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** One conversation as a member without manners sees it, whatever carries it. */
export interface RawStream {
  readonly isOpen: boolean;
  /** Resolves when the other side has reset or closed it. */
  readonly ended: Promise<void>;
  send(bytes: Uint8Array): void;
  onMessage(listener: (bytes: Uint8Array) => void): void;
  /** Says that nothing more will come. */
  halfClose(): void;
  stopReading(): void;
  abort(): void;
}

/** How a raw node converses over one of the carriers. */
export interface RawCarrier {
  open(raw: RawNode, node: Libp2pNetwork, protocol: string): Promise<RawStream>;
  handle(raw: RawNode, protocol: string, onStream: (stream: RawStream) => void): Promise<void>;
}

export function rawCarrierOf(mode: BulkMode | undefined): RawCarrier {
  if (!mode) {
    return {
      open: async (raw, node, protocol) => rawStream(await raw.open(node, protocol)),
      handle: async (raw, protocol, onStream) => {
        await raw.libp2p.handle(protocol, (stream) => onStream(rawStream(stream)));
      },
    };
  }
  return {
    async open(raw, node, protocol) {
      const socket = await openBulk(await askForBulk(raw, node, mode));
      const stream = rawSocket(socket);
      const admitted = Promise.withResolvers<void>();
      stream.onMessage(() => admitted.resolve());
      await admitted.promise;
      stream.send(protocolLine(protocol));
      return stream;
    },
    handle: (raw, _protocol, onStream) => offerBulk(raw, mode, onStream),
  };
}

/** Asks a node, over libp2p, for what opens bulk connections to it. */
export async function askForBulk(raw: RawNode, node: Libp2pNetwork, mode: BulkMode): Promise<BulkOffer> {
  const stream = await raw.open(node, protocols.bulk);
  let answer = Buffer.alloc(0);
  const whole = Promise.withResolvers<void>();
  stream.addEventListener('message', ({ data }) => {
    answer = Buffer.concat([answer, data.subarray()]);
    if (answer.length >= 5 && answer.length === 5 + answer.readUInt32BE(1)) whole.resolve();
  });
  stream.send(Buffer.concat([u32(1), encodeBulkAsk({ wantsPlain: mode === 'plain' })]));
  await whole.promise;
  const offer = decodeBulkOffer(answer.subarray(5));
  if (!offer) throw new Error('nothing was offered');
  return offer;
}

/** Connects as an offer says, and has proven itself when it resolves; rejects when the other side does not want that. */
export async function openBulk(offer: BulkOffer, changed: object = {}): Promise<Socket> {
  const place = { host: '127.0.0.1', port: offer.places[0]?.port ?? 0 };
  if (offer.mode === 'plain') {
    const socket = connectTcp(place);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    socket.write(Buffer.concat([Uint8Array.of(TICKET_MARK), offer.id, offer.secret]));
    return socket;
  }
  const shared = { identity: Buffer.from(offer.id).toString('hex'), psk: offer.secret };
  const socket = connectTls({
    ...place,
    ciphers: 'TLS_AES_128_GCM_SHA256',
    pskCallback: () => shared,
    checkServerIdentity: () => undefined,
    ...changed,
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

async function offerBulk(raw: RawNode, mode: BulkMode, onStream: (stream: RawStream) => void): Promise<void> {
  const secrets = { id: new Uint8Array(16).fill(1), secret: new Uint8Array(32).fill(2) };
  const onSocket = (socket: Socket): void => {
    onTestFinished(() => void socket.destroy());
    let isIntroduced = false;
    if (mode === 'tls') socket.write(Uint8Array.of(1));
    const stream = rawSocket(socket, (bytes) => {
      if (isIntroduced) return bytes;
      if (bytes[0] === TICKET_MARK) socket.write(Uint8Array.of(1));
      else isIntroduced = true;
      // The name of the protocol comes with the first request.
      return bytes[0] === TICKET_MARK ? new Uint8Array(0) : bytes.subarray(1 + (bytes[0] ?? 0));
    });
    onStream(stream);
  };
  const server =
    mode === 'plain'
      ? createTcpServer(onSocket)
      : createTlsServer(
          { ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3', pskCallback: () => secrets.secret },
          onSocket,
        );
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const offer = encodeBulkOffer({ mode, ...secrets, places: [{ host: '', port }] });
  await raw.libp2p.handle(protocols.bulk, (stream) => {
    stream.addEventListener('message', () =>
      stream.send(Buffer.concat([Uint8Array.of(0), u32(offer.byteLength), offer])),
    );
  });
}

function protocolLine(protocol: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(protocol.length), Buffer.from(protocol)]);
}

function rawStream(stream: Stream): RawStream {
  return {
    get isOpen() {
      return stream.status === 'open';
    },
    ended: ended(stream),
    send: (bytes) => void stream.send(bytes),
    onMessage: (listener) => stream.addEventListener('message', ({ data }) => listener(data.subarray())),
    halfClose: () => void stream.close(),
    stopReading: () =>
      stream.addEventListener('message', () => {
        if (stream.readStatus === 'readable') stream.pause();
      }),
    abort: () => stream.abort(new Error('done')),
  };
}

function rawSocket(socket: Socket, strip = (bytes: Uint8Array): Uint8Array => bytes): RawStream {
  const listeners: ((bytes: Uint8Array) => void)[] = [];
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    const rest = strip(bytes);
    if (rest.byteLength > 0) for (const listener of listeners) listener(rest);
  });
  const hasEnded = once(socket, 'close').then(() => {});
  return {
    get isOpen() {
      return !socket.destroyed && !socket.readableEnded;
    },
    ended: hasEnded,
    send: (bytes) => void socket.write(bytes),
    onMessage: (listener) => void listeners.push(listener),
    halfClose: () => void socket.end(),
    stopReading: () => void socket.pause(),
    abort: () => void socket.destroy(),
  };
}
