import type { SourceKind } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';

export interface PeerTraffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Plain bytes of pieces that came and went, for status and metrics. */
export interface TrafficCounts {
  sent(peer: PeerId, bytes: number): void;
  received(peer: PeerId | undefined, source: SourceKind, bytes: number): void;
  wasted(bytes: number): void;
  bad(peer: PeerId): void;
  /** Totals stay. */
  forget(peer: PeerId): void;
  view(): TrafficView;
}

export interface TrafficView {
  readonly sentBytes: number;
  readonly receivedBySource: Readonly<Record<SourceKind, number>>;
  /** Arrived and was here already, or was broken off because another was faster. */
  readonly duplicateBytes: number;
  readonly badPieces: number;
  readonly peers: ReadonlyMap<PeerId, PeerTraffic>;
}

export function createTrafficCounts(): TrafficCounts {
  const peers = new Map<PeerId, { sentBytes: number; receivedBytes: number }>();
  const receivedBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  let [sentBytes, duplicateBytes, badPieces] = [0, 0, 0];
  const of = (peer: PeerId): { sentBytes: number; receivedBytes: number } => {
    const counts = peers.get(peer) ?? { sentBytes: 0, receivedBytes: 0 };
    peers.set(peer, counts);
    return counts;
  };
  return {
    sent(peer, bytes) {
      sentBytes += bytes;
      of(peer).sentBytes += bytes;
    },
    received(peer, source, bytes) {
      receivedBySource[source] += bytes;
      if (peer !== undefined) of(peer).receivedBytes += bytes;
    },
    wasted(bytes) {
      duplicateBytes += bytes;
    },
    bad() {
      badPieces += 1;
    },
    forget: (peer) => void peers.delete(peer),
    view: () => ({
      sentBytes,
      receivedBySource: { ...receivedBySource },
      duplicateBytes,
      badPieces,
      peers: new Map([...peers].map(([peer, counts]) => [peer, { ...counts }])),
    }),
  };
}
