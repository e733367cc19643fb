import type { PackId } from '@quarry/content';
import type { PeerId } from '../ports/network.ts';
import type { Role } from './fetch-events.ts';
import type { PieceMasks } from './piece-masks.ts';
import type { PackPeer, PeerPack, WantedPack } from './wanted-pack.ts';

/** What a node remembers of a connected peer: its load, its credit, and, of a seeder, the standing ask. */
export class SchedulerPeer implements PackPeer {
  readonly id: PeerId;
  readonly role: Role;
  isNear: boolean;
  /** Pieces of which it shows something that it may be asked for, over all wanted packs. 0 while it is parked. */
  available = 0;
  readonly packs: Map<WantedPack, PeerPack> = new Map();
  /** What it shows while it is parked and none of it counts. */
  readonly told: Map<PackId, PieceMasks> = new Map();
  /** Requests out to it, hedges included. */
  outstanding = 0;
  /** How many waited there when it last said so. */
  queueHint = 0;
  /** Busy or failed: not asked before this. */
  notBeforeMs = 0;
  busySinceMs: number | undefined;
  /** How often it said so since it last gave something. */
  busyAnswers = 0;
  progressAtMs: number = -Infinity;
  errors = 0;
  parkedUntilMs: number | undefined;
  parkedAtMs = 0;
  parks = 0;
  falseHaves = 0;
  readonly falseHavesByPack: Map<PackId, number> = new Map();
  readonly seeder: SeederState = {
    ask: undefined,
    answered: new Set(),
    notBeforeMs: 0,
    dryPauseMs: 0,
    failures: 0,
    fruitlessSinceMs: undefined,
    ahead: Infinity,
    lacks: new Map(),
  };

  constructor(id: PeerId, role: Role, isNear: boolean = false) {
    this.id = id;
    this.role = role;
    this.isNear = isNear;
  }
}

export interface StandingAsk {
  readonly request: number;
  readonly seeder: SchedulerPeer;
  readonly askedAtMs: number;
  progressAtMs: number;
}

export interface SeederState {
  /** The one that waits for an answer, */
  ask: StandingAsk | undefined;
  /** and those whose answers are arriving. */
  readonly answered: Set<StandingAsk>;
  notBeforeMs: number;
  /** The last pause after a dry answer; 0 after one that was not. */
  dryPauseMs: number;
  /** Asks that failed in a row. */
  failures: number;
  /** Since when it has answered "dry" and given nothing. */
  fruitlessSinceMs: number | undefined;
  /** Place in its queue when it last said so. */
  ahead: number;
  /** Needed chunks that it does not hold, per pack, as it last said. A pack it has not spoken of is not here. */
  readonly lacks: Map<PackId, PieceMasks>;
}
