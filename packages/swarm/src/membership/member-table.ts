import type { PeerId } from '../ports/network.ts';
import type { MemberRecord } from '../protocol/member-record.ts';

export interface Member {
  readonly record: MemberRecord;
  /** By this node's clock: the sender's says nothing here. */
  readonly expiresAtMs: number;
}

export type HeardRecord =
  /** A member that was not known. */
  | 'joined'
  /** News of a known one. */
  | 'renewed'
  /** It says that it leaves, and is forgotten. */
  | 'left'
  /** Older than what is known, or of a member that has left since. */
  | 'stale';

/** Who is in the cluster, as far as this node has heard. Pure: time is handed in. */
export interface MemberTable {
  hear(record: MemberRecord, nowMs: number): HeardRecord;
  /** Drops those that have not been heard of in time, and returns them. */
  expire(nowMs: number): PeerId[];
  forget(peer: PeerId): void;
  find(peer: PeerId): Member | undefined;
  all(): Iterable<Member>;
  /** Without this node itself. */
  readonly size: number;
  /** Grows with each member that comes, goes or changes its role, zone or addresses. */
  readonly version: number;
}

/** A record of somebody who has just left may still be on its way through the gossip: remembered for as long as it could arrive. */
const REMEMBER_LEFT_MS = 60_000;

export function createMemberTable(options: { readonly self: PeerId; readonly maxMembers: number }): MemberTable {
  const members = new Map<PeerId, Member>();
  const left = new Map<PeerId, { readonly sequence: number; readonly untilMs: number }>();
  let version = 0;
  return {
    hear(record, nowMs) {
      const { peer, sequence, ttlMs } = record;
      const known = members.get(peer);
      if (peer === options.self || sequence <= (known?.record.sequence ?? left.get(peer)?.sequence ?? -1))
        return 'stale';
      if (ttlMs === 0) {
        left.set(peer, { sequence, untilMs: nowMs + REMEMBER_LEFT_MS });
        if (members.delete(peer)) version += 1;
        return 'left';
      }
      if (!known && members.size >= options.maxMembers) return 'stale';
      left.delete(peer);
      members.set(peer, { record, expiresAtMs: nowMs + ttlMs });
      if (!known || hasMoved(known.record, record)) version += 1;
      return known ? 'renewed' : 'joined';
    },
    expire(nowMs) {
      const gone: PeerId[] = [];
      for (const [peer, { expiresAtMs }] of members) if (expiresAtMs <= nowMs) gone.push(peer);
      for (const peer of gone) members.delete(peer);
      for (const [peer, { untilMs }] of left) if (untilMs <= nowMs) left.delete(peer);
      if (gone.length > 0) version += 1;
      return gone;
    },
    forget(peer) {
      if (members.delete(peer)) version += 1;
    },
    find: (peer) => members.get(peer),
    all: () => members.values(),
    get size() {
      return members.size;
    },
    get version() {
      return version;
    },
  };
}

function hasMoved(before: MemberRecord, after: MemberRecord): boolean {
  return before.role !== after.role || before.zone !== after.zone || before.addresses.join() !== after.addresses.join();
}
