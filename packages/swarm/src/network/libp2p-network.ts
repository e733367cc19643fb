/**
 * The Network port on libp2p. Who tells whom: libp2p's events → connected-peers → the layers above; `request` → exchange-client →
 * framed-stream → a libp2p stream → the other node's exchange-server → its handler. Bans and `dials` are asked at every door by the
 * connection gater; the cluster key is in the handshake (cluster-noise). This package keeps no list of members: the layer above does.
 */
import type { Connection, Stream } from '@libp2p/interface';
import type { Clock, Logger, Random } from '@quarry/runtime';
import type { Answer, Network, PeerId, Request } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import { hostOfAddress, parseAddress, peerOfAddress } from './addresses.ts';
import type { ClusterKey } from './cluster-key.ts';
import { createConnectedPeers } from './connected-peers.ts';
import { createConnectionGater } from './connection-gater.ts';
import { createLibp2pNode } from './create-libp2p-node.ts';
import { dialError } from './dial-error.ts';
import { createExchangeClient } from './exchange-client.ts';
import type { ExchangeOptions } from './exchange-client.ts';
import { createExchangeServer } from './exchange-server.ts';
import { frameStream } from './framed-stream.ts';
import type { FramedStream } from './framed-stream.ts';
import { createGossip } from './gossip.ts';
import type { Identity } from './identity.ts';
import { keepDialling } from './keep-dialling.ts';
import { networkOptions } from './network-options.ts';
import type { NetworkOptions } from './network-options.ts';
import { openStream } from './open-stream.ts';
import { peerIdOf, toLibp2pPeerId } from './peer-identity.ts';
import { stopNode } from './stop-node.ts';
import { createTrafficMeter } from './traffic.ts';
import type { Traffic } from './traffic.ts';
import { withDeadline } from './with-deadline.ts';

/** What may arrive between two steps of reading one answer: a few of yamux's frames. */
const MAX_ANSWER_BACKLOG_BYTES = 8 * 1024 * 1024;

export interface NetworkDeps {
  readonly identity: Identity;
  readonly clusterKey: ClusterKey;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The port, and what a node that runs on a real network can say and do besides. */
export interface Libp2pNetwork extends Network {
  /** Also rejects with SWARM_STALLED when nothing moves for `idleTimeoutMs`: a peer that stalls is left after seconds. */
  request(peer: PeerId, protocol: string, bytes: Uint8Array, options: ExchangeOptions): Promise<Uint8Array>;
  /** Dials an address of which it need not be known who answers there; resolves to who did. */
  dialAddress(address: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<PeerId>;
  /** Banned before this run and during it; whoever keeps them hands them in again as `banned`. */
  banned(): readonly PeerId[];
  traffic(): Traffic;
  /** The host at which the peer is reached, numeric or a name; undefined when it is not connected. Behind a relay that is the relay's. */
  hostOf(peer: PeerId): string | undefined;
}

/** Resolves when the node listens. Rejects with SWARM_BAD_ADDRESS when it cannot; nothing is left open then. */
export async function createLibp2pNetwork(deps: NetworkDeps, chosen: Partial<NetworkOptions>): Promise<Libp2pNetwork> {
  const options = networkOptions(chosen);
  const { clock, identity, logger } = deps;
  for (const address of [...options.listen, ...options.announce, ...options.bootstrap]) parseAddress(address);

  const banned = new Set<PeerId>(options.banned);
  const isBanned = (peer: PeerId): boolean => banned.has(peer);
  const peers = createConnectedPeers();
  const meter = createTrafficMeter();
  const gossip = createGossip({ clock, isBanned }, options);
  const closing = new AbortController();
  let refusedHandshakes = 0;

  const node = await createLibp2pNode(
    {
      identity,
      clusterKey: deps.clusterKey,
      gater: createConnectionGater({ dials: options.dials, isBanned }),
      gossip: gossip.service,
      onRefused: (error) => {
        refusedHandshakes += 1;
        logger.debug('refused a connection whose handshake did not fit the cluster key', { error: String(error) });
      },
      onFound: ({ id, multiaddrs }) => {
        const peer = peerIdOf(id);
        if (!options.dials || peers.all.size >= options.mdnsEnoughPeers || peers.all.has(peer) || isBanned(peer))
          return;
        dial(peer, multiaddrs.map(String)).catch((error: unknown) => {
          logger.debug('cannot connect to a peer found by mDNS', { peer, error: String(error) });
        });
      },
    },
    options,
  );
  peers.listen({
    peerConnected: (peer) => meter.begin(peer),
    peerDisconnected: (peer) => {
      meter.forget(peer);
      server.forget(peer);
    },
  });
  node.addEventListener('peer:connect', ({ detail }) => peers.add(peerIdOf(detail)));
  node.addEventListener('peer:disconnect', ({ detail }) => peers.remove(peerIdOf(detail)));

  const framed = (peer: PeerId, stream: Stream, maxBacklogBytes: number): FramedStream =>
    frameStream(stream, {
      sendPartBytes: options.sendPartBytes,
      maxBacklogBytes,
      onSent: (byteLength) => meter.sent(peer, byteLength),
      onReceived: (byteLength) => meter.received(peer, byteLength),
    });
  const connectionsOf = (peer: PeerId): Connection[] => node.getConnections(toLibp2pPeerId(peer));
  const client = createExchangeClient(
    {
      clock,
      open: async (peer, protocol, signal) => {
        const stream = await openStream(connectionsOf(peer), { peer, protocol, signal }, options.maxStreamsPerPeer);
        return framed(peer, stream, MAX_ANSWER_BACKLOG_BYTES);
      },
    },
    options,
  );
  const server = createExchangeServer({ clock, logger }, options);

  const checkOpen = (): void => closing.signal.throwIfAborted();
  const checkDialable = (peer: PeerId | undefined): void => {
    checkOpen();
    if (peer !== undefined && isBanned(peer)) throw bannedError(peer);
    if (!options.dials)
      throw new SwarmError('SWARM_REFUSED', 'this node is configured not to dial: others must dial it');
  };
  const dialling = async <T>(
    target: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const late = (): Error => dialError(new Error(`no answer within ${options.dialTimeoutMs} ms`), target);
    try {
      return await withDeadline(clock, { ms: options.dialTimeoutMs, late, signal }, work);
    } catch (error) {
      checkOpen();
      throw signal?.aborted ? error : dialError(error, target);
    }
  };
  const dial: Network['dial'] = async (peer, addresses, { signal } = {}) => {
    checkOpen();
    if (peers.all.has(peer)) return;
    checkDialable(peer);
    const multiaddrs = addresses.map(parseAddress);
    for (const [i, address] of multiaddrs.entries()) {
      if ((peerOfAddress(address) ?? peer) === peer) continue;
      throw new SwarmError('SWARM_BAD_ADDRESS', `${addresses[i]} is not an address of ${peer}`);
    }
    await dialling(peer, signal, async (ending) => {
      const id = toLibp2pPeerId(peer);
      await node.peerStore.merge(id, { multiaddrs });
      await node.dial(id, { signal: ending });
    });
  };
  const dialAddress: Libp2pNetwork['dialAddress'] = async (address, { signal } = {}) => {
    const target = parseAddress(address);
    checkDialable(peerOfAddress(target));
    return await dialling(address, signal, async (ending) =>
      peerIdOf((await node.dial(target, { signal: ending })).remotePeer),
    );
  };
  const cut = (peer: PeerId, error: Error): void => {
    for (const connection of connectionsOf(peer)) connection.abort(error);
  };

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      const error = new SwarmError('SWARM_CLOSED', 'the network is closed');
      closing.abort(error);
      client.close(error);
      server.close(error);
      await stopNode(node, clock, options.closeGraceMs, logger);
      for (const peer of peers.all) peers.remove(peer);
    })();
    return closed;
  };

  try {
    await node.start();
  } catch (cause) {
    await close();
    throw new SwarmError(
      'SWARM_BAD_ADDRESS',
      `cannot listen on ${options.listen.join(', ')}: is the port taken by another process, is the address one of this host's?`,
      { details: { listen: options.listen }, cause },
    );
  }
  for (const address of options.dials ? options.bootstrap : []) {
    void keepDialling(
      {
        clock,
        random: deps.random,
        logger,
        dial: async (target, signal) => {
          if (peerOfAddress(parseAddress(target)) === identity.peerId) return undefined;
          try {
            return await dialAddress(target, { signal });
          } catch (error) {
            if (isDialToSelf(error)) return undefined;
            throw error;
          }
        },
        disconnected: (peer, signal) => peers.disconnected(peer, signal),
      },
      address,
      { ...options, signal: closing.signal },
    );
  }

  return {
    peerId: identity.peerId,
    addresses: () => (closing.signal.aborted ? [] : node.getMultiaddrs().map(String)),
    peers: () => [...peers.all],
    listen: (events) => peers.listen(events),
    dial,
    dialAddress,
    async publish(topic, bytes) {
      checkOpen();
      await gossip.publish(topic, bytes);
    },
    subscribe(topic, listener) {
      checkOpen();
      return gossip.subscribe(topic, listener);
    },
    async request(peer, protocol, bytes, requestOptions) {
      checkOpen();
      if (isBanned(peer)) throw bannedError(peer);
      return await client.request(peer, protocol, bytes, requestOptions);
    },
    handle(protocol, { maxRequestBytes }, handler: (request: Request) => Promise<Answer>) {
      checkOpen();
      if (node.getProtocols().includes(protocol)) throw new TypeError(`${protocol} has its handler already`);
      const service = { protocol, maxRequestBytes, handler };
      const registered = node.handle(
        protocol,
        (stream, connection) => {
          const peer = peerIdOf(connection.remotePeer);
          void server.serve(peer, framed(peer, stream, maxRequestBytes), service);
        },
        { maxInboundStreams: 2 * options.maxStreamsPerPeer },
      );
      registered.catch((error: unknown) =>
        logger.error('cannot register a protocol', { protocol, error: String(error) }),
      );
      return () => {
        if (closing.signal.aborted) return;
        node
          .unhandle(protocol)
          .catch((error: unknown) => logger.debug('cannot drop a protocol', { protocol, error: String(error) }));
      };
    },
    hangUp: (peer) => cut(peer, new Error('hung up')),
    ban(peer, reason) {
      if (banned.has(peer)) return;
      banned.add(peer);
      logger.warn('banned a peer', { peer, reason });
      cut(peer, bannedError(peer));
    },
    banned: () => [...banned],
    hostOf: (peer) => {
      const connection = connectionsOf(peer).findLast(({ status }) => status === 'open');
      return connection && hostOfAddress(connection.remoteAddr);
    },
    traffic: () => ({
      sentBytes: meter.sentBytes,
      receivedBytes: meter.receivedBytes,
      peers: new Map(meter.peers),
      openRequests: client.openExchanges,
      openServed: server.openExchanges,
      refusedHandshakes,
    }),
    close,
  };
}

function bannedError(peer: PeerId): SwarmError {
  return new SwarmError('SWARM_BANNED', 'the peer is banned', { details: { peer } });
}

function isDialToSelf(error: unknown): boolean {
  return (
    error instanceof SwarmError &&
    error.cause instanceof Error &&
    error.cause.message.toLowerCase().endsWith('dial self')
  );
}
