import { budgetDefaults } from './budget/budget-events.ts';
import type { BudgetOptions } from './budget/budget-events.ts';
import type { ImageKey, ImageRef } from '@quarry/content';
import type { HoldingOptions } from './images/holding.ts';
import { imagesDefaults } from './images/images-options.ts';
import type { ImagesOptions } from './images/images-options.ts';
import type { MayIssue } from './images/serve-tickets.ts';
import type { PeerId } from './ports/network.ts';
import { ledgerDefaults } from './scheduler/ledger-events.ts';
import type { LedgerOptions } from './scheduler/ledger-events.ts';
import type { Role } from './scheduler/fetch-events.ts';
import { leaveDefaults } from './scheduler/leave-watch.ts';
import type { LeaveOptions } from './scheduler/leave-watch.ts';
import { schedulerDefaults } from './scheduler/scheduler-options.ts';
import type { SchedulerOptions } from './scheduler/scheduler-options.ts';
import type { TransferObserver } from './transfer/transfer-events.ts';

/** All numbers of a swarm, but for those of the network beneath (network/network-options.ts). */
export interface SwarmOptions {
  readonly role: Role;
  /** Rack or availability zone; empty when nobody said. */
  readonly zone: string;
  /** What this node sends to others at most, in bytes of answers as they leave: encoded, heads included; Infinity: no limit. */
  readonly uploadBytesPerSecond: number;
  /** What it receives from others at most, counted alike. */
  readonly downloadBytesPerSecond: number;
  /** Memory for pieces under way, half of it for sending and half for receiving; a piece that is larger than a half goes alone. */
  readonly memoryBytes: number;
  /** What may leave the store for the whole cluster, read from last resorts or sent by seeders (PROTOCOL.md, "The origin budget"). */
  readonly originBytesPerSecond: number;
  /** Reads from last resorts at once, of the whole cluster. Whole, at least 1. */
  readonly originReads: number;
  /** A fetch to which nothing comes for so long fails, naming what nobody has. */
  readonly giveUpMs: number;
  /** How long this node's word that it is there is good. Said three times as often. */
  readonly memberTtlMs: number;
  /** Nodes that a node is connected to: 16 work, 8 do not, all is worse (prototype). Even. */
  readonly targetDegree: number;
  /** A node is connected to all of its zone while these are no more; all members must have the same number here. */
  readonly maxZoneMates: number;
  /** A connection between two nodes that are not neighbours is hung up when no piece has passed for so long. */
  readonly excessIdleMs: number;
  readonly maxMembers: number;
  /** How often missing neighbours are looked for. */
  readonly dialIntervalMs: number;
  readonly concurrentDials: number;
  /** How long the one of two that should not dial first waits for the other. */
  readonly dialYieldMs: number;
  readonly firstDialPauseMs: number;
  readonly maxDialPauseMs: number;
  readonly helloTimeoutMs: number;
  /** What a node wants is told the cluster no more often than this, */
  readonly minAnnounceMs: number;
  /** and what it has than this, */
  readonly gossipMs: number;
  /** and both than this for each member, so that a node hears at most some 500 messages a second however many there are. */
  readonly announceMsPerMember: number;
  /** How often everything is told. Thrice as long without a word, and it counts no more. */
  readonly inventoryIntervalMs: number;
  /** Packs that are remembered of one member. */
  readonly maxPacksPerPeer: number;
  /** How long a fetch waits for connected peers to say what they have before it begins. */
  readonly lookAroundMs: number;
  /** How long a node that has just started waits for a first peer before it fetches. */
  readonly settleMs: number;
  /** How often peers are asked again while a piece is missing that nobody shows: gossip gets lost. */
  readonly lookAgainMs: number;
  /** A member that could not be reached does not count as a holder for so long. */
  readonly unreachableMs: number;
  /** Descriptors kept in memory for serving. */
  readonly cachedDescriptors: number;
  /** A request for records, a manifest or a descriptor that takes longer is made of somebody else. */
  readonly lookupTimeoutMs: number;
  /** How often a seeder gives one manifest or descriptor itself before it names those who have it. */
  readonly blobGives: number;
  readonly scheduler: SchedulerOptions;
  readonly ledger: LedgerOptions;
  /** When a seeder may leave. */
  readonly leave: LeaveOptions;
  /** Without `joinMs`: half of `memberTtlMs`, in which every member says once that it is there. */
  readonly budget: Partial<BudgetOptions>;
  /** What is said of images, and tickets. */
  readonly images: ImagesOptions;
  /** Asked before this node gives a ticket for a private image to who has shown that he knows its key: a seeder can ask Glance. Default: yes. */
  readonly mayIssue: MayIssue;
  /** Whose tickets count besides those of an image's publishers, by raw Ed25519 key. Default: those of members that are seeders. */
  readonly trustsSigner: ((publicKey: Uint8Array) => boolean) | undefined;
  /** An image of this node was withdrawn, here or elsewhere: its records should go. Told again when it comes again. Must not throw. */
  readonly onWithdrawn: (ref: ImageRef, key: ImageKey) => void;
  /** Another member asks this node to fetch an image and to keep it. Default: refuses. */
  readonly onHold: HoldingOptions['onHold'];
  /** How far this node is with an image that it accepted to hold. Default: it holds none. */
  readonly holdState: HoldingOptions['holdState'];
  /** Called when a peer is banned, so that it can be remembered over restarts. */
  readonly onBanned: (peer: PeerId, reason: string) => void;
  /** Hears what happens to pieces: for a log. Must be quick, and must not throw. */
  readonly observe: TransferObserver | undefined;
}

/** Options as they are chosen: any of them, and any of the scheduler's, the ledger's and those for leaving. */
export type ChosenSwarmOptions = Partial<Omit<SwarmOptions, 'scheduler' | 'ledger' | 'leave' | 'images'>> & {
  readonly scheduler?: Partial<SchedulerOptions>;
  readonly ledger?: Partial<LedgerOptions>;
  readonly leave?: Partial<LeaveOptions>;
  readonly images?: Partial<ImagesOptions>;
};

export const swarmDefaults: SwarmOptions = Object.freeze({
  role: 'node',
  zone: '',
  uploadBytesPerSecond: Infinity,
  downloadBytesPerSecond: Infinity,
  memoryBytes: 64 * 1024 * 1024,
  originBytesPerSecond: Infinity,
  originReads: Infinity,
  giveUpMs: 60_000,
  memberTtlMs: 30_000,
  targetDegree: 24,
  maxZoneMates: 48,
  excessIdleMs: 60_000,
  maxMembers: 10_000,
  dialIntervalMs: 1000,
  concurrentDials: 8,
  dialYieldMs: 2000,
  firstDialPauseMs: 1000,
  maxDialPauseMs: 60_000,
  helloTimeoutMs: 5000,
  // 50 ms costs eight nodes on two cores a fifth of these; at 1 Gbit/s a tenth of a second is as good (scheduling: "have-updates").
  minAnnounceMs: 100,
  gossipMs: 10_000,
  announceMsPerMember: 2,
  inventoryIntervalMs: 30_000,
  maxPacksPerPeer: 8192,
  lookAroundMs: 200,
  settleMs: 1000,
  lookAgainMs: 5000,
  unreachableMs: 60_000,
  cachedDescriptors: 64,
  lookupTimeoutMs: 10_000,
  blobGives: 2,
  scheduler: schedulerDefaults,
  ledger: ledgerDefaults,
  leave: leaveDefaults,
  budget: {},
  images: imagesDefaults,
  mayIssue: async () => true,
  trustsSigner: undefined,
  onWithdrawn: () => {},
  onHold: () => ({ kind: 'refused' as const, reason: 'this node holds no images for others' }),
  holdState: () => undefined,
  onBanned: () => {},
  observe: undefined,
});

/** Unknown names are refused: a misspelt limit would be no limit. */
export function swarmOptions(chosen: ChosenSwarmOptions): SwarmOptions {
  checkNames('swarm', chosen, swarmDefaults);
  checkNames('scheduler', chosen.scheduler ?? {}, schedulerDefaults);
  checkNames('ledger', chosen.ledger ?? {}, ledgerDefaults);
  checkNames('leave', chosen.leave ?? {}, leaveDefaults);
  checkNames('images', chosen.images ?? {}, imagesDefaults);
  checkNames('budget', chosen.budget ?? {}, budgetDefaults);
  return {
    ...swarmDefaults,
    ...chosen,
    scheduler: { ...schedulerDefaults, ...chosen.scheduler },
    ledger: { ...ledgerDefaults, ...chosen.ledger },
    leave: { ...leaveDefaults, ...chosen.leave },
    images: { ...imagesDefaults, ...chosen.images },
  };
}

function checkNames(what: string, chosen: object, known: object): void {
  const unknown = Object.keys(chosen).filter((name) => !Object.hasOwn(known, name));
  if (unknown.length > 0) throw new TypeError(`unknown ${what} options: ${unknown.join(', ')}`);
}
