/**
 * Who comes in. A connection is a stranger's until it has proven whose it is: by a TLS handshake with the key that this node gave a peer over
 * Noise, or, where both sides want plain TCP, by a ticket given the same way. Then it names a protocol, and is served like a libp2p stream.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { Clock, Logger } from '@quarry/runtime';
import { createExchangeServer } from '../network/exchange-server.ts';
import type { Service } from '../network/exchange-server.ts';
import type { FramedStream } from '../network/framed-stream.ts';
import { watchForStall } from '../network/stall-watch.ts';
import type { StallWatch } from '../network/stall-watch.ts';
import type { TrafficMeter } from '../network/traffic.ts';
import type { PeerId } from '../ports/network.ts';
import { BULK_ID_BYTES, BULK_SECRET_BYTES } from '../protocol/bulk-offer.ts';
import type { BulkPlace } from '../protocol/bulk-offer.ts';
import { SwarmError } from '../swarm-error.ts';
import { bulkAddressOf, parseBulkAddress, placeOf } from './bulk-address.ts';
import type { BulkOptions } from './bulk-options.ts';
import type { BulkSecrets } from './bulk-secrets.ts';
import { ADMITTED, FULL, TICKET_MARK, TLS_FIRST_BYTE, tlsOptions } from './bulk-tls.ts';
import { createConnectionBook } from './connection-book.ts';
import { frameSocket } from './frame-socket.ts';

export interface BulkServer {
  /** Where this node listens, with the ports that it was given; empty when it does not. */
  readonly places: readonly BulkPlace[];
  readonly openConnections: number;
  readonly openExchanges: number;
  /** Connections that did not prove whose they are. */
  readonly refused: number;
  /** Ends what the peer has open here. */
  cut(peer: PeerId, error: Error): void;
  close(error: Error): Promise<void>;
}

export interface BulkServerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly secrets: BulkSecrets;
  readonly meter: TrafficMeter;
  readonly services: ReadonlyMap<string, Service>;
}

/** What a request for something that nobody handles may be long: it is read before it is refused, so that the asker hears that. */
const MAX_REFUSED_BYTES = 1024 * 1024;
/** A connection that moves nothing for so many times `idleConnectionMs` is cut, should whoever opened it not have. */
const IDLE_FACTOR = 4;

/** Rejects with SWARM_BAD_ADDRESS when it cannot listen; nothing is left open then. */
export async function createBulkServer(deps: BulkServerDeps, options: BulkOptions): Promise<BulkServer> {
  const { clock, logger, secrets, meter, services } = deps;
  const exchanges = createExchangeServer(deps, options);
  const book = createConnectionBook({ maxPerPeer: 2 * options.maxConnectionsPerPeer * options.protocols.length });
  // By endpoint: TLS wraps a socket in another.
  const strangers = new Map<string, Socket>();
  const deadlines = new Map<string, () => void>();
  /** Which key a handshake went by. */
  const keys = new WeakMap<TLSSocket, string>();
  let refused = 0;
  let hasClosed = false;

  const refuse = (socket: Socket, why: string): void => {
    logger.debug('refused a bulk connection', { from: socket.remoteAddress, why });
    socket.destroy();
  };
  /** It is known whose it is. The deadline is for the name of the protocol as well. */
  const isProven = (socket: Socket): void => void strangers.delete(endpointOf(socket));
  const onConnection = (socket: Socket): void => {
    const name = endpointOf(socket);
    socket.on('error', () => {}); // 'close' follows
    if (hasClosed || name === '') return void socket.destroy();
    strangers.set(name, socket);
    const cancel = clock.after(options.connectTimeoutMs, () => refuse(socket, 'said nothing in time'));
    deadlines.set(name, cancel);
    socket.once('close', () => {
      cancel();
      deadlines.delete(name);
      if (strangers.delete(name)) refused += 1;
    });
    const [oldest] = strangers.values();
    if (strangers.size > options.maxStrangers && oldest) {
      strangers.delete(endpointOf(oldest));
      refused += 1;
      refuse(oldest, 'too many that have not proven whose they are');
    }
  };

  const tls = createTlsServer({
    ...tlsOptions,
    noDelay: true,
    pskCallback(socket, identity) {
      const key = secrets.findKey(identity);
      if (!key) return null;
      keys.set(socket as TLSSocket, identity);
      return key.secret;
    },
  });
  tls.on('tlsClientError', (error, socket) => {
    refuse(socket, error.message);
  });
  tls.on('secureConnection', (socket) => {
    const identity = keys.get(socket);
    // Without a key of ours there is no handshake; but the peer may have gone or been banned since it began.
    const key = identity === undefined ? undefined : secrets.findKey(identity);
    if (!key || !socket.isSessionReused()) return refuse(socket, 'came without a key');
    converse(key.peer, socket);
  });
  /** One port for both: a ticket begins with another byte than TLS. And who says nothing costs a socket, no TLS. */
  const onFirstBytes = (socket: Socket): void => {
    socket.once('data', (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      if (first[0] === TLS_FIRST_BYTE) return void tls.emit('connection', socket);
      if (first[0] !== TICKET_MARK || options.mode !== 'plain') return refuse(socket, 'speaks another protocol');
      converse(undefined, socket);
    });
  };

  /** From here on the connection is a framed stream. */
  const converse = (proof: PeerId | undefined, socket: Socket): void => {
    let peer = proof;
    let watch: StallWatch | undefined;
    const onBytes =
      (count: 'sent' | 'received') =>
      (byteLength: number): void => {
        watch?.touch();
        if (peer !== undefined) meter[count](peer, byteLength);
      };
    const stream = frameSocket(() => socket, {
      sendPartBytes: options.sendPartBytes,
      onSent: onBytes('sent'),
      onReceived: onBytes('received'),
    });
    const begin = async (): Promise<void> => {
      stream.expect(true);
      if (peer === undefined) peer = await readTicket(stream);
      if (peer === undefined) return refuse(socket, 'came with a void ticket');
      isProven(socket);
      if (book.size >= options.maxConnections || !book.add(peer, stream)) {
        await stream.send(Uint8Array.of(FULL));
        return stream.close();
      }
      await stream.send(Uint8Array.of(ADMITTED));
      const service = await readService(stream);
      deadlines.get(endpointOf(socket))?.();
      watch = watchForStall(clock, IDLE_FACTOR * options.idleConnectionMs, () => stream.abort(idle(peer)));
      stream.onEnd(() => watch?.stop());
      await exchanges.serve(peer, stream, service);
    };
    begin().catch((error: unknown) => stream.abort(error instanceof Error ? error : new Error(String(error))));
    socket.resume(); // the first byte may have been looked at, and put back
  };
  const readTicket = async (stream: FramedStream): Promise<PeerId | undefined> => {
    const ticket = new Uint8Array(1 + BULK_ID_BYTES + BULK_SECRET_BYTES);
    await stream.fill(ticket);
    return secrets.redeem(ticket.subarray(1, 1 + BULK_ID_BYTES), ticket.subarray(1 + BULK_ID_BYTES));
  };
  const readService = async (stream: FramedStream): Promise<Service> => {
    const head = new Uint8Array(1);
    await stream.fill(head);
    const name = new Uint8Array(head[0] ?? 0);
    await stream.fill(name);
    const protocol = Buffer.from(name).toString('latin1');
    return services.get(protocol) ?? refusing(protocol);
  };

  const servers: Server[] = [];
  const close = async (error: Error): Promise<void> => {
    hasClosed = true;
    exchanges.close(error);
    book.abortAll(error);
    for (const socket of strangers.values()) socket.destroy();
    for (const cancel of deadlines.values()) cancel();
    await Promise.all(
      servers.map(async (server) => {
        if (!server.listening) return;
        server.close();
        await once(server, 'close');
      }),
    );
  };
  const places: BulkPlace[] = [];
  for (const address of options.listen) {
    const { host, port } = parseBulkAddress(address);
    const server = createServer({ noDelay: true, keepAlive: true });
    servers.push(server);
    server.on('connection', onConnection);
    server.on('connection', onFirstBytes);
    try {
      server.listen({ host, port });
      await once(server, 'listening');
    } catch (cause) {
      await close(new SwarmError('SWARM_CLOSED', 'the network did not open'));
      throw new SwarmError(
        'SWARM_BAD_ADDRESS',
        `cannot listen on ${address} for bulk: is the port taken by another process, is the address one of this host's?`,
        { details: { listen: address }, cause },
      );
    }
    places.push(placeOf({ host, port: (server.address() as AddressInfo).port }));
    logger.debug('listening for bulk', { address: bulkAddressOf(places.at(-1) as BulkPlace), mode: options.mode });
  }
  return {
    places,
    get openConnections() {
      return book.size;
    },
    get openExchanges() {
      return exchanges.openExchanges;
    },
    get refused() {
      return refused;
    },
    cut(peer, error) {
      book.abort(peer, error);
      exchanges.forget(peer);
    },
    close,
  };
}

function refusing(protocol: string): Service {
  return {
    protocol,
    maxRequestBytes: MAX_REFUSED_BYTES,
    handler: async () => {
      throw new SwarmError('SWARM_REFUSED', `nobody handles ${protocol} here`);
    },
  };
}

function idle(peer: PeerId | undefined): SwarmError {
  return new SwarmError('SWARM_UNREACHABLE', 'the connection was not used for long', { details: { peer } });
}

/** Names a connection whichever object it is seen through. Empty when it has gone already. */
function endpointOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return remotePort === undefined ? '' : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
