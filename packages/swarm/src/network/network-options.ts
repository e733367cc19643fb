import type { PeerId } from '../ports/network.ts';

export interface NetworkOptions {
  /** Multiaddrs to listen on; none: this node only dials. */
  readonly listen: readonly string[];
  /** Multiaddrs to announce instead of those listened on: what a relay or a NAT in front of this node makes of them. */
  readonly announce: readonly string[];
  /** Multiaddrs that are dialled until somebody there is connected, and again whenever it is not. `/p2p/…` at the end pins who must answer. */
  readonly bootstrap: readonly string[];
  /** Whether this node ever dials. One whose outgoing link is spoken for only accepts. */
  readonly dials: boolean;
  /** Whether to look for members by multicast on the local network. It tells everybody there that this node exists. */
  readonly mdns: boolean;
  /** Below this many connected peers, those that mDNS finds are dialled; above, membership gossip knows better. */
  readonly mdnsEnoughPeers: number;
  /** Peers that are neither dialled nor accepted, from an earlier run. */
  readonly banned: readonly PeerId[];
  /** A request is given up when no byte of it moves for so long (SWARM_STALLED). */
  readonly idleTimeoutMs: number;
  readonly dialTimeoutMs: number;
  /** Pauses between attempts on a bootstrap address grow from the first to the second, with jitter. */
  readonly redialFirstMs: number;
  readonly redialMaxMs: number;
  /** How long `close` waits for peers to take part before it cuts them off. */
  readonly closeGraceMs: number;
  /** Connections beyond this are refused. Two nodes that dial each other at once hold two for a while. */
  readonly maxConnections: number;
  /** Streams kept per peer and protocol, which is how many requests run at once; more wait their turn. Peers let twice their own number in. */
  readonly maxStreamsPerPeer: number;
  /** Requests of one peer that are served at once, over all protocols; more wait unread. */
  readonly maxServedPerPeer: number;
  /** A stream that no request used for so long is closed. */
  readonly idleStreamMs: number;
  /** Larger messages are neither published nor passed on. */
  readonly maxGossipBytes: number;
  /** Answers leave in parts of this size; what a stall is measured by, and what other streams wait for. */
  readonly sendPartBytes: number;
}

export const networkDefaults: NetworkOptions = Object.freeze({
  listen: [],
  announce: [],
  bootstrap: [],
  dials: true,
  mdns: false,
  mdnsEnoughPeers: 8,
  banned: [],
  idleTimeoutMs: 10_000,
  dialTimeoutMs: 8_000,
  redialFirstMs: 500,
  redialMaxMs: 30_000,
  closeGraceMs: 1_200,
  maxConnections: 2_048,
  maxStreamsPerPeer: 8,
  maxServedPerPeer: 32,
  idleStreamMs: 60_000,
  maxGossipBytes: 256 * 1024,
  // From 64 KiB to 1 MiB the cost differs less than two runs do (docs/measurements-network.md).
  sendPartBytes: 128 * 1024,
});

/** Unknown names are refused: a misspelt limit would be no limit. */
export function networkOptions(chosen: Partial<NetworkOptions>): NetworkOptions {
  const unknown = Object.keys(chosen).filter((name) => !Object.hasOwn(networkDefaults, name));
  if (unknown.length > 0) throw new TypeError(`unknown network options: ${unknown.join(', ')}`);
  return { ...networkDefaults, ...chosen };
}
