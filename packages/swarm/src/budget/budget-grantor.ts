import type { PeerId } from '../ports/network.ts';
import { budgetDefaults, isDemand } from './budget-events.ts';
import type { BudgetAnswer, BudgetAsk, BudgetGrantorOptions, OriginBudget } from './budget-events.ts';
import { shareBytes, shareReads } from './share-out.ts';
import type { Claim, Portion } from './share-out.ts';

/**
 * Grants parts of the origin budget out of the shares that holders have lent it, and of nothing else. So two grantors at once, a partition, or
 * members that disagree on who grants cost speed and never the budget: a share is lent to one at a time. A state machine without I/O, clock or
 * chance of its own. It needs no tick: it only ever answers.
 */
export interface BudgetGrantor {
  /** Undefined: a void ask, which came after a later one of the same holder. */
  answer(holder: PeerId, ask: BudgetAsk, nowMs: number): BudgetAnswer | undefined;
  setBudget(budget: OriginBudget): void;
  status(nowMs: number): GrantorStatus;
}

export interface GrantorStatus {
  /** Members that have lent their share. */
  readonly lenders: number;
  /** The part of the budget that they make up, 0 to 1. */
  readonly lentPart: number;
  /** Of it, leased. */
  readonly leasedBytesPerSecond: number;
  readonly leasedReads: number;
  /** Holders of a lease. */
  readonly leases: number;
}

interface Lease {
  readonly token: number;
  readonly bytesPerSecond: number;
  readonly keepReads: number;
  readonly untilMs: number;
  readonly promiseUntilMs: number;
}

interface Holder {
  sequence: number;
  ask: BudgetAsk;
  /** Answers that it may still go by, oldest first, until they have run out. */
  leases: Lease[];
  promiseUntilMs: number;
  turnSinceMs: number | undefined;
  waitsSinceMs: number | undefined;
  /** Nothing that it said or was told matters after this. */
  forgetAtMs: number;
}

const NO_SHARE: Portion = { bytesPerSecond: 0, reads: 0 };

export function createBudgetGrantor(
  deps: {
    readonly budget: OriginBudget;
    /** From 1 to 2^52: where tokens begin. At random, so that a token of an earlier run is not taken for one of this. */
    readonly firstToken: number;
    readonly nowMs: number;
  },
  chosen: Partial<BudgetGrantorOptions> = {},
): BudgetGrantor {
  const options = { ...budgetDefaults, ...chosen };
  /** What an earlier run of this node leased has run out by then. */
  const readyAtMs = deps.nowMs + options.leaseMs;
  const holders = new Map<PeerId, Holder>();
  let { budget } = deps;
  let lastToken = deps.firstToken;
  let lastPruneMs = deps.nowMs;

  const prune = (nowMs: number): void => {
    if (nowMs - lastPruneMs < options.leaseMs) return;
    lastPruneMs = nowMs;
    for (const [peer, { forgetAtMs }] of holders) if (forgetAtMs <= nowMs) holders.delete(peer);
  };
  const promiseMs = (ask: BudgetAsk): number => {
    if (isDemand(ask)) return 3 * options.leaseMs;
    const idleMs = Math.max(options.idleMs, Math.max(ask.members, holders.size) * options.idleMsPerMember);
    return Math.max(3 * options.leaseMs, 3 * idleMs + options.leaseMs);
  };
  /** What is lent for at least another lease. */
  const poolAt = (nowMs: number): Portion & { part: number; lenders: number } => {
    const untilMs = nowMs + options.leaseMs;
    let [members, reads, lenders] = [1, 0, 0];
    for (const { ask, promiseUntilMs, forgetAtMs } of holders.values()) {
      // Whoever has just come may know few members; a share is what it is for whoever knows most.
      if (forgetAtMs > nowMs) members = Math.max(members, ask.members);
      if (!ask.lends || promiseUntilMs < untilMs) continue;
      reads += ask.lentReads;
      lenders += 1;
    }
    if (nowMs < readyAtMs) [lenders, reads] = [0, 0];
    const part = Math.min(1, lenders / members);
    return {
      bytesPerSecond: part === 0 ? 0 : budget.bytesPerSecond * part,
      reads: budget.reads === Infinity ? (part === 0 ? 0 : Infinity) : Math.min(budget.reads, reads),
      part,
      lenders,
    };
  };
  const committed = ({ leases }: Holder, nowMs: number): Portion => {
    let [bytesPerSecond, reads] = [0, 0];
    for (const lease of leases) {
      if (lease.untilMs <= nowMs) continue;
      bytesPerSecond = Math.max(bytesPerSecond, lease.bytesPerSecond);
      reads = Math.max(reads, lease.keepReads);
    }
    return { bytesPerSecond, reads };
  };
  const claimsAt = (nowMs: number): Map<PeerId, Claim> => {
    const claims = new Map<PeerId, Claim>();
    for (const [peer, holder] of holders) {
      const { ask, leases, turnSinceMs, waitsSinceMs } = holder;
      // Who has not asked again for a whole lease has gone, or has no demand any more.
      if (isDemand(ask) && (leases.at(-1)?.untilMs ?? 0) > nowMs)
        claims.set(peer, { ...ask, turnSinceMs, waitsSinceMs, mayRead: committed(holder, nowMs).reads > 0 });
    }
    return claims;
  };

  const takeAsk = (peer: PeerId, ask: BudgetAsk): Holder => {
    const known = holders.get(peer);
    const holder: Holder = known ?? {
      sequence: 0,
      ask,
      leases: [],
      promiseUntilMs: 0,
      turnSinceMs: undefined,
      waitsSinceMs: undefined,
      forgetAtMs: 0,
    };
    holders.set(peer, holder);
    holder.sequence = ask.sequence;
    holder.ask = ask;
    const shown = holder.leases.find(({ token }) => token === ask.token);
    if (!ask.lends) holder.promiseUntilMs = 0;
    else if (shown) holder.promiseUntilMs = Math.max(holder.promiseUntilMs, shown.promiseUntilMs);
    // Of an earlier lease nothing is used any more but for the reads that are still under way.
    if (shown) {
      holder.leases = holder.leases.map((lease) =>
        lease.token >= ask.token
          ? lease
          : { ...lease, bytesPerSecond: 0, keepReads: Math.min(lease.keepReads, ask.heldReads) },
      );
    }
    return holder;
  };

  return {
    answer(peer, ask, nowMs) {
      prune(nowMs);
      const sequence = holders.get(peer)?.sequence ?? -1;
      if (ask.sequence <= sequence) return undefined;
      const heldBefore = holders.has(peer) ? committed(holders.get(peer) as Holder, nowMs).reads : 0;
      const holder = takeAsk(peer, ask);
      const pool = poolAt(nowMs);
      const term = promiseMs(ask);
      let granted = NO_SHARE;
      let keepReads = 0;
      if (isDemand(ask)) {
        const claims = claimsAt(nowMs);
        const { turnSinceMs, waitsSinceMs } = holder;
        claims.set(peer, { ...ask, turnSinceMs, waitsSinceMs, mayRead: false });
        let [othersBytes, othersReads] = [0, 0];
        for (const other of holders.values()) {
          if (other === holder) continue;
          const { bytesPerSecond, reads } = committed(other, nowMs);
          othersBytes += bytesPerSecond;
          othersReads += reads;
        }
        const fairReads = shareReads(claims, pool.reads, { nowMs, turnMs: options.turnMs }).get(peer) ?? 0;
        const reads = atMost(fairReads, pool.reads - othersReads);
        // Reads that go on are those that were granted here, as long as what is lent covers them: what another granted ends with the other's lease.
        keepReads = Math.max(reads, atMost(Math.min(ask.heldReads, heldBefore), pool.reads - othersReads));
        claims.set(peer, { ...ask, turnSinceMs, waitsSinceMs, mayRead: keepReads > 0 });
        const fairBytes = shareBytes(claims, pool.bytesPerSecond).get(peer) ?? 0;
        granted = { bytesPerSecond: atMost(fairBytes, pool.bytesPerSecond - othersBytes), reads };
        noteTurn(holder, granted.reads > 0 || keepReads > 0, nowMs);
      } else {
        // Whoever asks for nothing has given up what he had. The tokens stay good for promises.
        holder.leases = holder.leases.map((lease) => ({ ...lease, bytesPerSecond: 0, keepReads: 0 }));
        noteTurn(holder, false, nowMs);
      }
      lastToken += 1;
      holder.leases = holder.leases.filter((lease) => Math.max(lease.untilMs, lease.promiseUntilMs) > nowMs);
      holder.leases.push({
        token: lastToken,
        bytesPerSecond: granted.bytesPerSecond,
        keepReads,
        untilMs: nowMs + options.leaseMs,
        promiseUntilMs: nowMs + term,
      });
      holder.forgetAtMs = Math.max(holder.forgetAtMs, nowMs + term);
      return { token: lastToken, leaseMs: options.leaseMs, promiseMs: term, ...granted, keepReads, budget };
    },
    setBudget(next) {
      budget = next;
    },
    status(nowMs) {
      const { part, lenders } = poolAt(nowMs);
      const leased = [...holders.values()]
        .map((holder) => committed(holder, nowMs))
        .filter((one) => one.bytesPerSecond > 0);
      return {
        lenders,
        lentPart: part,
        leasedBytesPerSecond: leased.reduce((sum, one) => sum + one.bytesPerSecond, 0),
        leasedReads: leased.reduce((sum, one) => sum + one.reads, 0),
        leases: leased.length,
      };
    },
  };
}

function noteTurn(holder: Holder, reads: boolean, nowMs: number): void {
  holder.turnSinceMs = reads ? (holder.turnSinceMs ?? nowMs) : undefined;
  holder.waitsSinceMs = !reads && holder.ask.wantsReads > 0 ? (holder.waitsSinceMs ?? nowMs) : undefined;
}

/** Whole, from 0 to `free`; Infinity stays. */
function atMost(wanted: number, free: number): number {
  // Infinity - Infinity: no limit, and somebody has it already.
  const bound = Number.isNaN(free) ? Infinity : free;
  return Math.max(0, Math.floor(Math.min(wanted, bound) + 1e-6));
}
