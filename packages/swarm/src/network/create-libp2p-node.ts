import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import type { Identify } from '@libp2p/identify';
import type { ConnectionGater, Libp2p, PeerDiscovery, PeerInfo } from '@libp2p/interface';
import type { mdns as Mdns } from '@libp2p/mdns';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { clusterNoise } from './cluster-noise.ts';
import type { ClusterKey } from './cluster-key.ts';
import type { Identity } from './identity.ts';
import type { NetworkOptions } from './network-options.ts';

export type Node = Libp2p<{ identify: Identify; gossip: GossipSub }>;

export interface NodeDeps {
  readonly identity: Identity;
  readonly clusterKey: ClusterKey;
  readonly gater: ConnectionGater;
  readonly gossip: (components: GossipSubComponents) => GossipSub;
  readonly onRefused: (error: unknown) => void;
  /** Somebody whose mDNS answer names this cluster. Called again with each answer. */
  readonly onFound: (found: PeerInfo) => void;
}

/**
 * A libp2p node, not started. There is one way in, TCP with Noise under the cluster key: no other transport or encrypter is configured, and
 * TCP has no way to skip encryption. Every limit that libp2p sets for strangers on the internet is set for a cluster here.
 */
export async function createLibp2pNode(deps: NodeDeps, options: NetworkOptions): Promise<Node> {
  const { identity, clusterKey } = deps;
  // What few clusters use is not loaded by the others.
  const mdns = options.mdns ? (await import('@libp2p/mdns')).mdns : undefined;
  return await createLibp2p({
    start: false,
    privateKey: identity.privateKey,
    nodeInfo: { name: 'quarry', version: '1', userAgent: 'quarry/1' },
    addresses: { listen: [...options.listen], announce: [...options.announce] },
    transports: [tcp()],
    connectionEncrypters: [clusterNoise({ clusterKey, onRefused: deps.onRefused })],
    streamMuxers: [
      yamux({
        maxInboundStreams: 512,
        maxOutboundStreams: 512,
        // A peer that asks at once may open its streams before the connection is handed over.
        maxEarlyStreams: 64,
        // Windows begin at yamux's fixed 256 KiB and double while the reader keeps up; 4 MiB is 1 GB/s at 4 ms.
        streamOptions: { maxStreamWindowSize: 4 * 1024 * 1024 },
      }),
    ],
    connectionGater: deps.gater,
    connectionManager: {
      maxConnections: options.maxConnections,
      // Per second and address. By default five: of a cluster on one machine, or behind one NAT, random nodes would be cut off.
      inboundConnectionThreshold: 500,
      maxIncomingPendingConnections: 256,
      maxParallelDials: 32,
      maxDialQueueLength: 2_048,
      dialTimeout: options.dialTimeoutMs,
      // A peer's first addresses may be those of bridges that exist on every host: leave time for the others.
      addressDialTimeout: Math.ceil(options.dialTimeoutMs / 3),
      inboundUpgradeTimeout: 5_000,
      // Names in addresses are left to the system's resolver; /dnsaddr lists would be fetched from servers on the internet.
      resolvers: {},
    },
    // Cuts off hosts that vanished without a word. By default after 5 s, which a busy host may well be silent for.
    connectionMonitor: { pingInterval: 20_000, pingTimeout: { minTimeout: 15_000 } },
    peerDiscovery: mdns ? [(components) => discovery(mdns, components, deps)] : [],
    services: { identify: identify({ maxMessageSize: 64 * 1024 }), gossip: deps.gossip },
  });
}

type MdnsComponents = Parameters<ReturnType<typeof Mdns>>[0];

/** The service's name carries the key's fingerprint, so that clusters that share a wire do not dial each other in vain. */
function discovery(mdns: typeof Mdns, components: MdnsComponents, { clusterKey, onFound }: NodeDeps): PeerDiscovery {
  const found = mdns({ serviceTag: `_quarry-${clusterKey.fingerprint}._udp.local` })(components);
  found.addEventListener('peer', ({ detail }) => onFound(detail));
  return found;
}
