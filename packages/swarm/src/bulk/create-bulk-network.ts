/**
 * A network that carries bulk on connections of its own. Who tells whom: `request` → exchange-client → bulk-paths → a TLS or TCP socket → the other
 * node's bulk-server → its handler; whatever cannot go that way goes over the libp2p network that this one decorates, and everything else always
 * does: who is connected, gossip, small requests, and the secrets by which bulk connections prove whose they are (bulk-secrets.ts).
 */
import type { Clock, Logger, Random } from '@quarry/runtime';
import { createExchangeClient } from '../network/exchange-client.ts';
import type { Service } from '../network/exchange-server.ts';
import type { Libp2pNetwork } from '../network/libp2p-network.ts';
import { createTrafficMeter } from '../network/traffic.ts';
import type { PeerId } from '../ports/network.ts';
import { decodeBulkAsk, encodeBulkOffer } from '../protocol/bulk-offer.ts';
import { protocols } from '../protocol/protocol-names.ts';
import { SwarmError } from '../swarm-error.ts';
import { bulkAddressOf, parseBulkAddress } from './bulk-address.ts';
import { bulkOptions } from './bulk-options.ts';
import type { ChosenBulkOptions } from './bulk-options.ts';
import { createBulkPaths, NoBulkPath } from './bulk-paths.ts';
import { createBulkSecrets } from './bulk-secrets.ts';
import { createBulkServer } from './bulk-server.ts';

export interface BulkDeps {
  readonly clock: Clock;
  /** The system's: secrets are made with it. */
  readonly random: Random;
  readonly logger: Logger;
}

/** What bulk connections carry, and how often they could not. */
export interface BulkFigures {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** That this node opened, and that it let in. */
  readonly openConnections: number;
  /** Requests of bulk protocols that went over the network beneath. */
  readonly fallbacks: number;
  /** Incoming connections that did not prove whose they are. */
  readonly refused: number;
}

/** `traffic()` of it counts both. */
export interface BulkNetwork extends Libp2pNetwork {
  /** Where peers are told that bulk is accepted, as multiaddrs; `/tcp/<port>`: at whatever address they reach this node. */
  bulkAddresses(): readonly string[];
  bulk(): BulkFigures;
}

const GONE = 'the peer is not connected any more';

/**
 * Resolves when it accepts bulk connections. Closing it closes `network`, too. Rejects with SWARM_BAD_ADDRESS when it cannot listen; nothing of its
 * own is left open then.
 */
export async function createBulkNetwork(
  network: Libp2pNetwork,
  deps: BulkDeps,
  chosen: ChosenBulkOptions,
): Promise<BulkNetwork> {
  const options = bulkOptions(chosen);
  const announced = options.announce.map(parseBulkAddress);
  const services = new Map<string, Service>();
  const meter = createTrafficMeter();
  const secrets = createBulkSecrets(deps.random, { maxTicketsPerPeer: 2 * options.maxConnectionsPerPeer });
  const server = await createBulkServer({ ...deps, secrets, meter, services }, options);
  const connected = new Set<PeerId>();
  const paths = createBulkPaths({ ...deps, network, meter, isConnected: (peer) => connected.has(peer) }, options);
  const client = createExchangeClient(
    { clock: deps.clock, open: (peer, protocol, signal) => paths.open(peer, protocol, signal) },
    {
      maxStreamsPerPeer: options.maxConnectionsPerPeer,
      idleTimeoutMs: options.idleTimeoutMs,
      idleStreamMs: options.idleConnectionMs,
    },
  );
  const places = announced.length > 0 ? announced : server.places;
  let fallbacks = 0;
  let closed: Promise<void> | undefined;

  const join = (peer: PeerId): void => {
    connected.add(peer);
    secrets.admit(peer);
    meter.begin(peer);
  };
  const cut = (peer: PeerId, message: string): void => {
    const error = new SwarmError('SWARM_UNREACHABLE', message, { details: { peer }, canRetry: true });
    secrets.forget(peer);
    paths.cut(peer, error);
    server.cut(peer, error);
  };
  const leave = (peer: PeerId): void => {
    connected.delete(peer);
    cut(peer, GONE);
    meter.forget(peer);
  };
  const forgetPeers = network.listen({ peerConnected: join, peerDisconnected: leave });
  for (const peer of network.peers()) join(peer);
  network.handle(protocols.bulk, { maxRequestBytes: 1 }, async ({ peer, bytes }) => {
    const { wantsPlain } = decodeBulkAsk(bytes);
    const mode = wantsPlain && options.mode === 'plain' ? 'plain' : 'tls';
    const offers = options.offers && server.places.length > 0;
    const secret = !offers ? undefined : mode === 'plain' ? secrets.ticketFor(peer) : secrets.keyFor(peer);
    return encodeBulkOffer(secret && { ...secret, mode, places });
  });

  return {
    ...network,
    async request(peer, protocol, bytes, requestOptions) {
      const isBulk = options.connects && options.protocols.includes(protocol) && connected.has(peer);
      if (!isBulk || closed) return await network.request(peer, protocol, bytes, requestOptions);
      try {
        return await client.request(peer, protocol, bytes, requestOptions);
      } catch (error) {
        if (!(error instanceof NoBulkPath)) throw error;
      }
      fallbacks += 1;
      return await network.request(peer, protocol, bytes, requestOptions);
    },
    handle(protocol, handleOptions, handler) {
      const forget = network.handle(protocol, handleOptions, handler);
      if (!options.protocols.includes(protocol)) return forget;
      services.set(protocol, { protocol, ...handleOptions, handler });
      return () => {
        services.delete(protocol);
        forget();
      };
    },
    hangUp(peer) {
      cut(peer, 'hung up');
      network.hangUp(peer);
    },
    ban(peer, reason) {
      cut(peer, 'the peer is banned');
      network.ban(peer, reason);
    },
    traffic() {
      const beneath = network.traffic();
      const peers = new Map(
        [...beneath.peers].map(([peer, bytes]) => {
          const more = meter.peers.get(peer);
          const sentBytes = bytes.sentBytes + (more?.sentBytes ?? 0);
          return [peer, { sentBytes, receivedBytes: bytes.receivedBytes + (more?.receivedBytes ?? 0) }] as const;
        }),
      );
      return {
        ...beneath,
        sentBytes: beneath.sentBytes + meter.sentBytes,
        receivedBytes: beneath.receivedBytes + meter.receivedBytes,
        peers,
        openRequests: beneath.openRequests + client.openExchanges,
        openServed: beneath.openServed + server.openExchanges,
      };
    },
    bulkAddresses: () => (closed || !options.offers ? [] : places.map(bulkAddressOf)),
    bulk: () => ({
      sentBytes: meter.sentBytes,
      receivedBytes: meter.receivedBytes,
      openConnections: paths.openConnections + server.openConnections,
      fallbacks,
      refused: server.refused,
    }),
    close() {
      closed ??= (async () => {
        const error = new SwarmError('SWARM_CLOSED', 'the network is closed');
        forgetPeers();
        client.close(error);
        paths.close(error);
        await Promise.all([server.close(error), network.close()]);
      })();
      return closed;
    },
  };
}
