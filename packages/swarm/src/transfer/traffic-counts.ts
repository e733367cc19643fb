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
  /** When bytes last passed between this node and a connected peer. */
  lastUsedMs(peer: PeerId): number | undefined;
  /** Totals stay. */
  forget(peer: PeerId): void;
  view(): TrafficView;
}

export interface TrafficView {
  readonly sentBytes: number;
  /** Of what came and went, from and to members of other zones; where a side names no zone nothing is known and nothing counted. */
  readonly crossZoneSentBytes: number;
  readonly crossZoneReceivedBytes: number;
  readonly receivedBySource: Readonly<Record<SourceKind, number>>;
  /** Arrived and was here already, or was broken off because another was faster. */
  readonly duplicateBytes: number;
  readonly badPieces: number;
  readonly peers: ReadonlyMap<PeerId, PeerTraffic>;
}

export function createTrafficCounts(deps: {
  readonly isOtherZone: (peer: PeerId) => boolean;
  readonly now: () => number;
}): TrafficCounts {
  const peers = new Map<PeerId, { sentBytes: number; receivedBytes: number }>();
  const usedAtMs = new Map<PeerId, number>();
  const receivedBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  let [sentBytes, duplicateBytes, badPieces] = [0, 0, 0];
  let [crossZoneSentBytes, crossZoneReceivedBytes] = [0, 0];
  const of = (peer: PeerId): { sentBytes: number; receivedBytes: number } => {
    const counts = peers.get(peer) ?? { sentBytes: 0, receivedBytes: 0 };
    peers.set(peer, counts);
    usedAtMs.set(peer, deps.now());
    return counts;
  };
  return {
    sent(peer, bytes) {
      sentBytes += bytes;
      if (deps.isOtherZone(peer)) crossZoneSentBytes += bytes;
      of(peer).sentBytes += bytes;
    },
    received(peer, source, bytes) {
      receivedBySource[source] += bytes;
      if (peer === undefined) return;
      if (deps.isOtherZone(peer)) crossZoneReceivedBytes += bytes;
      of(peer).receivedBytes += bytes;
    },
    wasted(bytes) {
      duplicateBytes += bytes;
    },
    bad() {
      badPieces += 1;
    },
    lastUsedMs: (peer) => usedAtMs.get(peer),
    forget(peer) {
      peers.delete(peer);
      usedAtMs.delete(peer);
    },
    view: () => ({
      sentBytes,
      crossZoneSentBytes,
      crossZoneReceivedBytes,
      receivedBySource: { ...receivedBySource },
      duplicateBytes,
      badPieces,
      peers: new Map([...peers].map(([peer, counts]) => [peer, { ...counts }])),
    }),
  };
}
