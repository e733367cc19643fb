import { protocols } from '../protocol/protocol-names.ts';

/** How a node carries bulk: `tls`, or `plain` where the operator has declared the network trusted and both sides want it. */
export type BulkMode = 'tls' | 'plain';

export interface BulkOptions {
  readonly mode: BulkMode;
  /** Requests of these protocols go over bulk connections; all others, and these where that does not work, over the network beneath. */
  readonly protocols: readonly string[];
  /** TCP multiaddrs to accept bulk connections on; none: this node only asks. */
  readonly listen: readonly string[];
  /** TCP multiaddrs that peers are told instead of those listened on: what a relay or a NAT in front of this node makes of them. */
  readonly announce: readonly string[];
  /** Whether peers are told of this node's port at all. */
  readonly offers: boolean;
  /** Whether this node opens bulk connections. One whose outgoing link is spoken for only accepts. */
  readonly connects: boolean;
  /** Connections kept per peer and protocol, which is how many requests run at once; more wait their turn. Peers let twice their own number in. */
  readonly maxConnectionsPerPeer: number;
  /** Connections that this node opens, and those that it lets in, each at most. What is over goes over the network beneath. */
  readonly maxConnections: number;
  /** Incoming connections that have not proven whose they are. Over it the oldest is cut, so that silence does not keep members out. */
  readonly maxStrangers: number;
  /** From the first packet to the name of the protocol; and what a peer is given to agree and to be connected before it counts as one that cannot be reached. */
  readonly connectTimeoutMs: number;
  /** So long a request waits for that, before it goes over the network beneath. */
  readonly connectPatienceMs: number;
  /** A peer whose port could not be reached is tried again after a pause that grows from the first to the second. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  /** A request is given up when no byte of it moves for so long (SWARM_STALLED). */
  readonly idleTimeoutMs: number;
  /** A connection that no request used for so long is closed by who opened it; by the other side after four times as long. */
  readonly idleConnectionMs: number;
  /** A connection that has brought so much is closed after its request and another opened: one key of AES-GCM is good for 2^24.5 records (RFC 8446, 5.5). */
  readonly retireConnectionBytes: number;
  /** Requests of one peer that are served at once; more wait unread. */
  readonly maxServedPerPeer: number;
  /** Answers leave in parts of this size, two of them queued at most. */
  readonly sendPartBytes: number;
}

/** What carries pieces, the requests whose answers are long; and the many short words of who has what, each of which costs a libp2p stream several frames. */
export const bulkProtocols: readonly string[] = [
  protocols.uncheckedPiece,
  protocols.piece,
  protocols.ask,
  protocols.tellHaves,
];

export const bulkDefaults: Omit<BulkOptions, 'protocols'> = Object.freeze({
  mode: 'tls',
  listen: [],
  announce: [],
  offers: true,
  connects: true,
  maxConnectionsPerPeer: 8,
  maxConnections: 2_048,
  // All hosts of a storm may come to a seeder at once.
  maxStrangers: 1_024,
  connectTimeoutMs: 15_000,
  connectPatienceMs: 2_000,
  retryFirstMs: 5_000,
  retryMaxMs: 300_000,
  idleTimeoutMs: 10_000,
  idleConnectionMs: 15_000,
  retireConnectionBytes: 64 * 2 ** 30,
  maxServedPerPeer: 32,
  sendPartBytes: 256 * 1024,
});

export type ChosenBulkOptions = Partial<BulkOptions> & Pick<BulkOptions, 'protocols'>;

/** Unknown names are refused: a misspelt limit would be no limit. */
export function bulkOptions(chosen: ChosenBulkOptions): BulkOptions {
  const unknown = Object.keys(chosen).filter((name) => name !== 'protocols' && !Object.hasOwn(bulkDefaults, name));
  if (unknown.length > 0) throw new TypeError(`unknown bulk options: ${unknown.join(', ')}`);
  return { ...bulkDefaults, ...chosen };
}
