import type { PeerId } from '../ports/network.ts';

export interface Bytes {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What requests and answers have cost, with their 4 and 5 bytes of head; without encryption, gossip and what libp2p says for itself. */
export interface Traffic extends Bytes {
  /** Peers connected now, since they connected. */
  readonly peers: ReadonlyMap<PeerId, Bytes>;
  /** Requests of this node that are not over yet, and those it is serving. */
  readonly openRequests: number;
  readonly openServed: number;
  /** Incoming connections whose handshake did not fit the cluster key or broke. */
  readonly refusedHandshakes: number;
}

export interface TrafficMeter extends Bytes {
  readonly peers: ReadonlyMap<PeerId, Bytes>;
  /** Counts for this peer from now on. */
  begin(peer: PeerId): void;
  sent(peer: PeerId, byteLength: number): void;
  received(peer: PeerId, byteLength: number): void;
  /** Totals stay, so that a cluster whose members come and go does not fill the memory. */
  forget(peer: PeerId): void;
}

export function createTrafficMeter(): TrafficMeter {
  const peers = new Map<PeerId, { sentBytes: number; receivedBytes: number }>();
  const total = { sentBytes: 0, receivedBytes: 0 };
  return {
    peers,
    get sentBytes() {
      return total.sentBytes;
    },
    get receivedBytes() {
      return total.receivedBytes;
    },
    begin: (peer) => void peers.set(peer, { sentBytes: 0, receivedBytes: 0 }),
    sent(peer, byteLength) {
      total.sentBytes += byteLength;
      const bytes = peers.get(peer);
      if (bytes) bytes.sentBytes += byteLength;
    },
    received(peer, byteLength) {
      total.receivedBytes += byteLength;
      const bytes = peers.get(peer);
      if (bytes) bytes.receivedBytes += byteLength;
    },
    forget: (peer) => void peers.delete(peer),
  };
}
