import type { PeerId } from '../ports/network.ts';

/** A limit of the whole cluster on what leaves the store, or a part of it. Infinity: no limit. */
export interface OriginBudget {
  readonly bytesPerSecond: number;
  /** Reads under way at once; whole. */
  readonly reads: number;
}

/**
 * What a holder says to a grantor. Each ask of a holder replaces all that it said to anybody before.
 */
export interface BudgetAsk {
  /** Grows with every ask of this holder, over restarts too. An ask that comes after a later one is void. */
  readonly sequence: number;
  /** Of the last answer that it had from this grantor, 0 for none: what earlier answers allowed it does not use any more. */
  readonly token: number;
  /** Members that it counts, itself included. */
  readonly members: number;
  /** It lends its share, budget / members, until `promiseMs` after it received `token`. If not, what it lent here before counts no more. */
  readonly lends: boolean;
  /** Whole reads of the cluster's that fall to it, lent with its share. */
  readonly lentReads: number;
  /** Reads that it would do at once. 0: it wants none. */
  readonly wantsReads: number;
  /** Reads that it has under way now. */
  readonly heldReads: number;
  /** Whether it sends pieces over the store's link: a seeder. */
  readonly sends: boolean;
  /** What it could use at most; Infinity: it does not know. */
  readonly wantsBytesPerSecond: number;
}

/** A lease. Its times run by the holder's clock: `leaseMs` from when it sent the ask, `promiseMs` from when this arrived. */
export interface BudgetAnswer {
  /** Never 0. */
  readonly token: number;
  readonly leaseMs: number;
  /** How long the holder leaves its share with the grantor if it sends the token back. */
  readonly promiseMs: number;
  readonly bytesPerSecond: number;
  /** New reads may begin while fewer than these are under way. */
  readonly reads: number;
  /** Reads that are under way may go on, this many. At least `reads`. */
  readonly keepReads: number;
  /** The budget of which this is a part, by the grantor's configuration, which wins. */
  readonly budget: OriginBudget;
}

export type BudgetHolderEvent =
  /** This node's configuration. */
  | { readonly kind: 'budget'; readonly budget: OriginBudget }
  /** Who may hold a share: how many, this node included, and how many of them rank before it (see MemberRoll). */
  | { readonly kind: 'members'; readonly count: number; readonly rank: number }
  /** Who grants, best first; the last is this node itself. */
  | { readonly kind: 'grantors'; readonly ranked: readonly PeerId[] }
  /** What this node would do now. Reads under way are told here too. */
  | {
      readonly kind: 'demand';
      readonly wantsReads: number;
      readonly heldReads: number;
      readonly sends: boolean;
      readonly wantsBytesPerSecond?: number | undefined;
    }
  | { readonly kind: 'answer'; readonly request: number; readonly answer: BudgetAnswer }
  /** There was no answer: no connection, refused, nonsense. That it takes too long the holder notices itself. */
  | { readonly kind: 'failed'; readonly request: number }
  | { readonly kind: 'tick' };

export type BudgetHolderAction =
  | { readonly kind: 'ask'; readonly request: number; readonly grantor: PeerId; readonly ask: BudgetAsk }
  /** Replaces the last. Before the first: nothing is allowed. */
  | ({ readonly kind: 'allow' } & Allowance);

/** What this node may take from the origin now. */
export interface Allowance {
  /** 0: nothing for now. Whoever takes bytes stops at `untilMs` by himself, for the next word may come late. */
  readonly bytesPerSecond: number;
  /** New reads may begin while fewer than these are under way. */
  readonly reads: number;
  /** Reads under way beyond these are broken off. */
  readonly keepReads: number;
  readonly untilMs: number;
}

/** The part of it that who reads goes by: bytes are paced by whoever takes them. */
export type OriginAllowance = Omit<Allowance, 'untilMs'>;

export const unlimitedAllowance: OriginAllowance = Object.freeze({
  bytesPerSecond: Infinity,
  reads: Infinity,
  keepReads: Infinity,
});

export interface BudgetGrantorOptions {
  /** How long a lease is good. Short: what its holder does not use is lost for as long. */
  readonly leaseMs: number;
  /** How often a holder without demand says that it is still there: the longer of the two. It costs the grantor 1 / idleMsPerMember messages a ms. */
  readonly idleMs: number;
  readonly idleMsPerMember: number;
  /** While more want to read than there are reads, each has its turn for so long. */
  readonly turnMs: number;
}

export interface BudgetHolderOptions {
  /** How often a lease is renewed while there is demand: so often that one lost message costs nothing. */
  readonly renewMs: number;
  readonly askTimeoutMs: number;
  /** A node that has just started lends and uses no share of its own for so long: the others must have heard of it first. */
  readonly joinMs: number;
  /** Demand counts for so long after its end, so that a lease is not returned between two pieces. */
  readonly lingerMs: number;
  /** A grantor that did not answer so often in a row is left for the next in rank, */
  readonly failuresToLeave: number;
  /** and tried again this often. */
  readonly probeMs: number;
}

export type BudgetOptions = BudgetGrantorOptions & BudgetHolderOptions;

export const budgetDefaults: BudgetOptions = Object.freeze({
  leaseMs: 2000,
  idleMs: 1000,
  idleMsPerMember: 10,
  turnMs: 2000,
  renewMs: 500,
  askTimeoutMs: 700,
  joinMs: 15_000,
  lingerMs: 500,
  failuresToLeave: 2,
  probeMs: 2000,
});

/** Whoever asks for nothing gives up what he has. */
export function isDemand(ask: Pick<BudgetAsk, 'wantsReads' | 'heldReads' | 'sends'>): boolean {
  return ask.wantsReads > 0 || ask.heldReads > 0 || ask.sends;
}
