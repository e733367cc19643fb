import type { BufferBankView } from '@quarry/runtime';
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
  readonly images: ImageFigures;
  readonly bytes: Omit<TrafficView, 'peers'>;
  readonly memory: SwarmMemory;
  readonly rates: SwarmRates;
}

/** What is known of private images of the cluster: words of members, by locator. */
export interface ImageFigures {
  /** "I give tickets for it." */
  readonly here: number;
  /** "It is gone." */
  readonly gone: number;
}

/** Buffers of pieces under way. */
export interface SwarmMemory {
  readonly sending: BufferBankView;
  readonly receiving: BufferBankView;
}

/** Limits as they are now; Infinity: none. */
export interface SwarmRates {
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** Of the whole cluster, as this node has it; see `originBudget` for what counts. */
  readonly originBytesPerSecond: number;
  readonly originReads: number;
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
  /** Bytes of pieces as they were sent, since it connected. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface SwarmFigures extends Omit<TrafficView, 'peers'> {
  /** This node included. */
  readonly members: number;
  readonly peers: number;
  readonly bannedPeers: number;
  readonly memory: SwarmMemory;
  readonly images: ImageFigures;
  /** Why this seeder is still here; undefined while it does not want to leave. */
  readonly leaving: LeaveStatus | undefined;
  /** Undefined without a limit. */
  readonly originBudget: OriginBudgetStatus | undefined;
}
