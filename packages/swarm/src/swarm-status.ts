import type { PeerId } from './ports/network.ts';
import type { Role } from './scheduler/fetch-events.ts';
import type { SchedulerLoad } from './scheduler/fetch-scheduler.ts';
import type { LedgerStatus } from './scheduler/ledger-events.ts';
import type { LeaveStatus } from './transfer/drain.ts';
import type { FetchView } from './transfer/fetcher.ts';
import type { OriginBudgetStatus } from './transfer/origin-budget.ts';
import type { TrafficView } from './transfer/traffic-counts.ts';

/** All that a swarm says of itself, as plain data. */
export interface SwarmStatus {
  readonly [name: string]: unknown;
  readonly peerId: PeerId;
  readonly role: Role;
  /** Without this node. */
  readonly members: readonly MemberStatus[];
  /** Connected, and who they are is known. */
  readonly peers: readonly PeerStatus[];
  readonly banned: readonly { readonly peer: PeerId; readonly reason: string }[];
  readonly fetches: readonly FetchView[];
  readonly scheduler: SchedulerLoad;
  /** Pieces being served to nodes that asked by name. */
  readonly serving: { readonly now: number; readonly queued: number };
  /** Of a seeder: gives, and why it gave again. */
  readonly seeding: LedgerStatus | undefined;
  /** Why this seeder is still here; undefined while it does not want to leave. */
  readonly leaving: LeaveStatus | undefined;
  /** Of the origin budget; undefined without a limit. */
  readonly originBudget: OriginBudgetStatus | undefined;
  /** (member, pack) pairs that are known. */
  readonly knownHaves: number;
  readonly bytes: Omit<TrafficView, 'peers'>;
}

export interface MemberStatus {
  readonly peer: PeerId;
  readonly role: Role;
  readonly zone: string;
  readonly addresses: readonly string[];
  readonly expiresInMs: number;
}

export interface PeerStatus {
  readonly peer: PeerId;
  readonly role: Role;
  /** Plain bytes of pieces, since it connected. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface SwarmFigures {
  /** This node included. */
  readonly members: number;
  readonly peers: number;
  readonly bannedPeers: number;
  readonly sentBytes: number;
  /** Plain bytes of pieces to and from members that are known to be of other zones. */
  readonly crossZoneSentBytes: number;
  readonly crossZoneReceivedBytes: number;
  /** Why this seeder is still here; undefined while it does not want to leave. */
  readonly leaving: LeaveStatus | undefined;
  /** Undefined without a limit. */
  readonly originBudget: OriginBudgetStatus | undefined;
}
