import type { Encoding, SourceKind } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';

export interface PeerTraffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** A piece as it is sent: its bytes are encoded, and stand for so many plain ones. */
export interface CountedPiece {
  readonly encoding: Encoding;
  readonly wireBytes: number;
  readonly plainBytes: number;
}

/** Bytes of pieces that came and went, for status and metrics: as they were sent, where nothing else is said. */
export interface TrafficCounts {
  /** Some of an answer has left. */
  sent(peer: PeerId, encoding: Encoding, bytes: number): void;
  /** All of a piece has. */
  sentPiece(plainBytes: number): void;
  received(peer: PeerId | undefined, source: SourceKind, piece: CountedPiece): void;
  wasted(bytes: number): void;
  bad(peer: PeerId): void;
  /** When bytes last passed between this node and a connected peer. */
  lastUsedMs(peer: PeerId): number | undefined;
  /** Totals stay. */
  forget(peer: PeerId): void;
  view(): TrafficView;
}

export interface TrafficView {
  /** Encoded, with the heads of answers. */
  readonly sentBytes: number;
  readonly sentByEncoding: Readonly<Record<Encoding, number>>;
  /** What whole pieces that were sent have decoded. */
  readonly sentPlainBytes: number;
  readonly receivedByEncoding: Readonly<Record<Encoding, number>>;
  /** Of what came and went, from and to members of other zones; where a side names no zone nothing is known and nothing counted. */
  readonly crossZoneSentBytes: number;
  readonly crossZoneReceivedBytes: number;
  /** Plain. */
  readonly receivedBySource: Readonly<Record<SourceKind, number>>;
  /** Encoded. */
  readonly receivedWireBySource: Readonly<Record<SourceKind, number>>;
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
  const receivedWireBySource: Record<SourceKind, number> = { local: 0, peer: 0, seeder: 0, origin: 0 };
  const sentByEncoding: Record<Encoding, number> = { plain: 0, zstd: 0 };
  const receivedByEncoding: Record<Encoding, number> = { plain: 0, zstd: 0 };
  let [sentPlainBytes, duplicateBytes, badPieces] = [0, 0, 0];
  let [crossZoneSentBytes, crossZoneReceivedBytes] = [0, 0];
  const of = (peer: PeerId): { sentBytes: number; receivedBytes: number } => {
    const counts = peers.get(peer) ?? { sentBytes: 0, receivedBytes: 0 };
    peers.set(peer, counts);
    usedAtMs.set(peer, deps.now());
    return counts;
  };
  return {
    sent(peer, encoding, bytes) {
      sentByEncoding[encoding] += bytes;
      if (deps.isOtherZone(peer)) crossZoneSentBytes += bytes;
      of(peer).sentBytes += bytes;
    },
    sentPiece(plainBytes) {
      sentPlainBytes += plainBytes;
    },
    received(peer, source, { encoding, wireBytes, plainBytes }) {
      receivedBySource[source] += plainBytes;
      receivedWireBySource[source] += wireBytes;
      if (peer === undefined) return;
      receivedByEncoding[encoding] += wireBytes;
      if (deps.isOtherZone(peer)) crossZoneReceivedBytes += wireBytes;
      of(peer).receivedBytes += wireBytes;
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
      sentBytes: sentByEncoding.plain + sentByEncoding.zstd,
      sentByEncoding: { ...sentByEncoding },
      sentPlainBytes,
      receivedByEncoding: { ...receivedByEncoding },
      crossZoneSentBytes,
      crossZoneReceivedBytes,
      receivedBySource: { ...receivedBySource },
      receivedWireBySource: { ...receivedWireBySource },
      duplicateBytes,
      badPieces,
      peers: new Map([...peers].map(([peer, counts]) => [peer, { ...counts }])),
    }),
  };
}
