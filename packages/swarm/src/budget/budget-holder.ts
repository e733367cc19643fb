import type { PeerId } from '../ports/network.ts';
import { budgetDefaults, isDemand } from './budget-events.ts';
import type {
  Allowance,
  BudgetAnswer,
  BudgetAsk,
  BudgetHolderAction,
  BudgetHolderEvent,
  BudgetHolderOptions,
  OriginBudget,
} from './budget-events.ts';

/**
 * One node's side of the origin budget: whom to ask for a lease, what the lease allows, and to whom this node's own share, budget / members, is
 * lent. There is no other way to a byte than a lease, also not to its own share: who can reach nobody asks himself, and has from himself just
 * that share, after whoever he lent it to before must have stopped counting on it. A state machine without I/O, clock or chance of its own.
 */
export interface BudgetHolder {
  handle(event: BudgetHolderEvent, nowMs: number): readonly BudgetHolderAction[];
  /** When a `tick` is due if nothing else happens before. */
  wakeAtMs(): number;
  status(nowMs: number): HolderStatus;
}

export interface HolderStatus {
  /** Who is asked now; this node itself when it reaches nobody better. */
  readonly grantor: PeerId | undefined;
  /** By the configuration of the grantor, or by this node's own until one has answered. */
  readonly budget: OriginBudget;
  readonly allowance: Allowance;
  /** Whom this node's share is lent to. */
  readonly lentTo: PeerId | undefined;
  /** Whether this node has been here long enough to have a share. */
  readonly hasShare: boolean;
  readonly members: number;
}

interface SentAsk {
  readonly kind: 'lease' | 'probe' | 'withdraw';
  readonly grantor: PeerId;
  readonly sentAtMs: number;
}

interface Token {
  readonly token: number;
  readonly receivedAtMs: number;
  readonly promiseMs: number;
}

export const nothingAllowed: Allowance = Object.freeze({ bytesPerSecond: 0, reads: 0, keepReads: 0, untilMs: 0 });

export function createBudgetHolder(
  deps: {
    readonly self: PeerId;
    readonly budget: OriginBudget;
    readonly nowMs: number;
    /** Above every sequence of an earlier run of this node: the calendar's milliseconds × 1000. */
    readonly firstSequence: number;
  },
  chosen: Partial<BudgetHolderOptions> = {},
): BudgetHolder {
  const options = { ...budgetDefaults, ...chosen };
  const joinedAtMs = deps.nowMs + options.joinMs;
  const sent = new Map<number, SentAsk>();
  /** Grantors that did not answer; tried again by probes. */
  const left = new Set<PeerId>();
  let ownBudget = deps.budget;
  let grantedBudget: OriginBudget | undefined;
  let members = { count: 1, rank: 0 };
  let ranked: readonly PeerId[] = [deps.self];
  let demand = { wantsReads: 0, heldReads: 0, sends: false, wantsBytesPerSecond: Infinity };
  /** What it wanted when it last wanted anything. */
  let wishes = demand;
  let demandSeenAtMs = -Infinity;
  let grantor: PeerId | undefined;
  let token: Token | undefined;
  let failures = 0;
  let lease: Allowance = nothingAllowed;
  /** What reads under way may count on: each until its time. */
  let keeps: { readonly reads: number; readonly untilMs: number }[] = [];
  let lent: { readonly to: PeerId; untilMs: number; lastRequest: number } | undefined;
  let pending: number | undefined;
  let nextAskAtMs = deps.nowMs;
  let nextProbeAtMs = deps.nowMs;
  let idleMs = options.renewMs;
  let wantedLast = false;
  let sequence = deps.firstSequence;
  let told: Allowance = nothingAllowed;
  let actions: BudgetHolderAction[] = [];

  const budget = (): OriginBudget => grantedBudget ?? ownBudget;
  const isWanting = (): boolean => isDemand(demand);
  const noteDemand = (nowMs: number): void => {
    if (!isWanting()) return;
    demandSeenAtMs = nowMs;
    if (demand.wantsReads > 0 || demand.sends) wishes = demand;
  };
  const allowanceAt = (nowMs: number): Allowance => {
    const live = keeps.filter(({ untilMs }) => untilMs > nowMs);
    const keepReads = live.reduce((most, { reads }) => Math.max(most, reads), 0);
    return lease.untilMs > nowMs
      ? { ...lease, keepReads: Math.max(lease.reads, keepReads) }
      : { ...nothingAllowed, keepReads };
  };
  /** Whole reads of the cluster's that are this node's: one more for the first in rank, so that they add up. */
  const ownReads = (): number => {
    const { reads } = budget();
    if (reads === Infinity) return 0;
    return Math.floor(reads / members.count) + (members.rank < reads % members.count ? 1 : 0);
  };

  const send = (kind: SentAsk['kind'], to: PeerId, ask: Omit<BudgetAsk, 'sequence'>, nowMs: number): void => {
    sequence += 1;
    sent.set(sequence, { kind, grantor: to, sentAtMs: nowMs });
    actions.push({ kind: 'ask', request: sequence, grantor: to, ask: { ...ask, sequence } });
  };
  const askForLease = (to: PeerId, nowMs: number): void => {
    const isBoundElsewhere = lent !== undefined && lent.to !== to && lent.untilMs > nowMs;
    const lends = token !== undefined && nowMs >= joinedAtMs && !isBoundElsewhere;
    const lingers = !isWanting() && nowMs < demandSeenAtMs + options.lingerMs;
    const current = lingers ? wishes : demand;
    const ask = {
      token: token?.token ?? 0,
      members: members.count,
      lends,
      lentReads: lends ? ownReads() : 0,
      wantsReads: current.wantsReads,
      heldReads: demand.heldReads,
      sends: current.sends,
      wantsBytesPerSecond: current.wantsBytesPerSecond,
    };
    send('lease', to, ask, nowMs);
    pending = sequence;
    wantedLast = isWanting() || lingers;
    nextAskAtMs = nowMs + (wantedLast ? options.renewMs : idleMs);
    // Whoever asks for nothing gives up what he has: the grantor counts on it.
    if (!isDemand(ask)) lease = nothingAllowed;
    if (token && lends) {
      const untilMs = token.receivedAtMs + token.promiseMs;
      lent = { to, untilMs: Math.max(untilMs, lent?.to === to ? lent.untilMs : 0), lastRequest: sequence };
    }
  };
  const nothing = (heldReads: number): Omit<BudgetAsk, 'sequence'> => ({
    token: 0,
    members: members.count,
    lends: false,
    lentReads: 0,
    wantsReads: 0,
    heldReads,
    sends: false,
    wantsBytesPerSecond: Infinity,
  });

  const choose = (nowMs: number): void => {
    for (const peer of left) if (!ranked.includes(peer)) left.delete(peer);
    const best = ranked.find((peer) => !left.has(peer)) ?? deps.self;
    if (best === grantor) return;
    if (grantor !== undefined && lent?.to === grantor && lent.untilMs > nowMs) {
      // Until it has let go, the share is its.
      send('withdraw', grantor, { ...nothing(demand.heldReads), token: token?.token ?? 0 }, nowMs);
    }
    grantor = best;
    token = undefined;
    failures = 0;
    pending = undefined;
    lease = nothingAllowed;
    nextAskAtMs = nowMs;
  };
  const fail = (request: number, nowMs: number): void => {
    const ask = sent.get(request);
    sent.delete(request);
    if (!ask || request !== pending) return;
    pending = undefined;
    failures += 1;
    nextAskAtMs = Math.max(nowMs, Math.min(nextAskAtMs, ask.sentAtMs + options.renewMs / 2));
    if (failures < options.failuresToLeave || ask.grantor === deps.self) return;
    left.add(ask.grantor);
    nextProbeAtMs = nowMs + options.probeMs;
  };
  const takeAnswer = (request: number, answer: BudgetAnswer, nowMs: number): void => {
    const ask = sent.get(request);
    sent.delete(request);
    if (!ask) return;
    left.delete(ask.grantor);
    if (ask.kind === 'withdraw') {
      if (lent && lent.to === ask.grantor && request > lent.lastRequest) {
        lent.untilMs = Math.min(lent.untilMs, nowMs + answer.leaseMs);
      }
      keeps.push({ reads: answer.keepReads, untilMs: ask.sentAtMs + answer.leaseMs });
      return;
    }
    if (ask.kind === 'probe' || request !== pending) return;
    pending = undefined;
    failures = 0;
    const isFirst = token === undefined;
    token = { token: answer.token, receivedAtMs: nowMs, promiseMs: answer.promiseMs };
    idleMs = Math.max(options.renewMs, (answer.promiseMs - answer.leaseMs) / 3);
    grantedBudget = answer.budget;
    const { bytesPerSecond, reads, keepReads, leaseMs } = answer;
    const untilMs = ask.sentAtMs + leaseMs;
    lease = { bytesPerSecond, reads, keepReads, untilMs };
    keeps.push({ reads: keepReads, untilMs });
    // The share is lent with the second word: it must show a token.
    if (isFirst && nowMs >= joinedAtMs) nextAskAtMs = nowMs;
  };

  return {
    handle(event, nowMs) {
      actions = [];
      noteDemand(nowMs);
      switch (event.kind) {
        case 'budget':
          ownBudget = event.budget;
          grantedBudget = undefined;
          break;
        case 'members':
          members = { count: Math.max(1, event.count), rank: event.rank };
          break;
        case 'grantors':
          ranked = event.ranked;
          break;
        case 'demand': {
          const { wantsReads, heldReads, sends, wantsBytesPerSecond = Infinity } = event;
          demand = { wantsReads, heldReads, sends, wantsBytesPerSecond };
          noteDemand(nowMs);
          break;
        }
        case 'answer':
          takeAnswer(event.request, event.answer, nowMs);
          break;
        case 'failed':
          fail(event.request, nowMs);
          break;
        case 'tick':
          break;
      }
      for (const [request, { sentAtMs }] of sent) if (nowMs - sentAtMs >= options.askTimeoutMs) fail(request, nowMs);
      keeps = keeps.filter(({ untilMs }) => untilMs > nowMs);
      choose(nowMs);
      const hasDemand = isWanting() || nowMs < demandSeenAtMs + options.lingerMs;
      const isDue = nowMs >= nextAskAtMs || hasDemand !== wantedLast;
      if (grantor !== undefined && pending === undefined && isDue) askForLease(grantor, nowMs);
      const better = ranked.find((peer) => left.has(peer));
      if (better !== undefined && nowMs >= nextProbeAtMs) {
        nextProbeAtMs = nowMs + options.probeMs;
        send('probe', better, nothing(0), nowMs);
      }
      const allowance = allowanceAt(nowMs);
      if (isSame(allowance, told)) return actions;
      told = allowance;
      // First: an ask of this node itself is answered before the next action is done.
      return [{ kind: 'allow', ...allowance }, ...actions];
    },
    wakeAtMs() {
      let wakeMs = pending === undefined ? nextAskAtMs : Infinity;
      for (const { sentAtMs } of sent.values()) wakeMs = Math.min(wakeMs, sentAtMs + options.askTimeoutMs);
      for (const { untilMs } of keeps) wakeMs = Math.min(wakeMs, untilMs);
      if (told.bytesPerSecond > 0 || told.reads > 0) wakeMs = Math.min(wakeMs, lease.untilMs);
      if (wantedLast && !isWanting() && pending === undefined)
        wakeMs = Math.min(wakeMs, demandSeenAtMs + options.lingerMs);
      if (left.size > 0) wakeMs = Math.min(wakeMs, nextProbeAtMs);
      return wakeMs;
    },
    status: (nowMs) => ({
      grantor,
      budget: budget(),
      allowance: allowanceAt(nowMs),
      lentTo: lent && lent.untilMs > nowMs ? lent.to : undefined,
      hasShare: nowMs >= joinedAtMs,
      members: members.count,
    }),
  };
}

function isSame(a: Allowance, b: Allowance): boolean {
  return (
    a.bytesPerSecond === b.bytesPerSecond &&
    a.reads === b.reads &&
    a.keepReads === b.keepReads &&
    a.untilMs === b.untilMs
  );
}
