import type { Clock, Logger, Random } from '@quarry/runtime';
import { createBudgetGrantor } from '../budget/budget-grantor.ts';
import type { BudgetGrantor, GrantorStatus } from '../budget/budget-grantor.ts';
import { unlimitedAllowance } from '../budget/budget-events.ts';
import type { Allowance, BudgetAnswer, BudgetAsk, BudgetHolderEvent } from '../budget/budget-events.ts';
import type { BudgetOptions, OriginAllowance, OriginBudget } from '../budget/budget-events.ts';
import { createBudgetHolder } from '../budget/budget-holder.ts';
import type { BudgetHolder, HolderStatus } from '../budget/budget-holder.ts';
import { createMemberRoll, rankGrantors } from '../budget/member-roll.ts';
import { createPurse } from '../budget/purse.ts';
import type { Network, PeerId } from '../ports/network.ts';
import { decodeBudgetAnswer, decodeBudgetAsk, encodeBudgetAnswer, encodeBudgetAsk } from '../protocol/origin-budget.ts';
import { protocolLimits } from '../protocol/protocol-limits.ts';
import { protocols } from '../protocol/protocol-names.ts';
import type { Role } from '../scheduler/fetch-events.ts';
import { SwarmError } from '../swarm-error.ts';

export interface OriginBudgetDeps {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly connect: (peer: PeerId, waiting: { readonly signal: AbortSignal }) => Promise<void>;
  /** Connected seeders. */
  readonly seeders: () => readonly PeerId[];
  /** All members that are known to be there, without this node. */
  readonly members: () => readonly PeerId[];
  readonly onAllowance: (allowance: OriginAllowance) => void;
}

/** This node's part in the origin budget: holds a lease, may grant leases, paces what crosses the store's link. Without a limit it does nothing. */
export interface OriginBudgetKeeper {
  start(): void;
  stop(): void;
  setBudget(budget: OriginBudget): void;
  /** Who is there or connected has changed. */
  membersChanged(): void;
  memberSaidGoodbye(peer: PeerId): void;
  /** Of this node's reads from the origin. */
  demand(wantsReads: number, heldReads: number): void;
  /** Whether bytes are paced at all. */
  readonly isLimited: boolean;
  /** Resolves when so many bytes may cross the store's link. Rejects with the signal's reason. */
  take(bytes: number, waiting: { readonly signal: AbortSignal; readonly onWait?: () => void }): Promise<void>;
  /** When it last spoke with a peer: its connection is in use. */
  lastUsedMs(peer: PeerId): number | undefined;
  status(): OriginBudgetStatus | undefined;
}

export interface OriginBudgetStatus extends HolderStatus {
  /** What this node grants to others. */
  readonly granting: GrantorStatus;
  /** Bytes that this node was allowed since it started. */
  readonly takenBytes: number;
}

interface Machines {
  readonly holder: BudgetHolder;
  readonly grantor: BudgetGrantor;
}

/** A seeder that has sent nothing for so long sends no more. */
const SENDING_MS = 250;
/** How often whoever waits for bytes says that he has not stalled. */
const WAIT_WORD_MS = 1000;

export function createOriginBudgetKeeper(
  deps: OriginBudgetDeps,
  options: { readonly role: Role; readonly budget: OriginBudget; readonly uses: BudgetOptions },
): OriginBudgetKeeper {
  const { network, clock, random, logger } = deps;
  const self = network.peerId;
  const roll = createMemberRoll(self);
  const purse = createPurse(clock.now());
  const takers = new Map<number, () => void>();
  const usedAtMs = new Map<PeerId, number>();
  const startedAtMs = clock.now();
  const stopping = new AbortController();
  let { budget } = options;
  let machines: Machines | undefined;
  let isStarted = false;
  let lastTaker = 0;
  let reads = { wantsReads: 0, heldReads: 0 };
  let sentAtMs = -Infinity;
  let isSending = false;
  let cancelWake = (): void => {};
  let stopHandling = (): void => {};

  const isFinite = (): boolean => budget.bytesPerSecond < Infinity || budget.reads < Infinity;
  const say = (event: BudgetHolderEvent): void => {
    if (!machines || stopping.signal.aborted) return;
    for (const action of machines.holder.handle(event, clock.now())) {
      if (action.kind === 'allow') allow(action);
      else ask(action.grantor, action.request, action.ask);
    }
    wakeLater();
  };
  const allow = ({ bytesPerSecond, reads: allowedReads, keepReads, untilMs }: Allowance): void => {
    purse.allow({ bytesPerSecond, untilMs }, clock.now());
    release();
    deps.onAllowance({ bytesPerSecond, reads: allowedReads, keepReads });
  };
  const release = (): void => {
    for (const id of purse.release(clock.now())) {
      const resolve = takers.get(id);
      takers.delete(id);
      resolve?.();
    }
  };
  const answerFor = (peer: PeerId, asked: BudgetAsk): BudgetAnswer => {
    const answer = machines?.grantor.answer(peer, asked, clock.now());
    usedAtMs.set(peer, clock.now());
    if (!answer) throw new SwarmError('SWARM_REFUSED', 'the ask came after a later one, or nothing is granted here');
    return answer;
  };
  const ask = (grantor: PeerId, request: number, asked: BudgetAsk): void => {
    if (grantor === self) return say({ kind: 'answer', request, answer: answerFor(self, asked) });
    exchange(grantor, asked).then(
      (answer) => say({ kind: 'answer', request, answer }),
      (error: unknown) => {
        if (!stopping.signal.aborted) logger.debug('no lease of the origin budget', { grantor, error: String(error) });
        say({ kind: 'failed', request });
      },
    );
  };
  const exchange = async (grantor: PeerId, asked: BudgetAsk): Promise<BudgetAnswer> => {
    const { signal } = stopping;
    usedAtMs.set(grantor, clock.now());
    if (!network.peers().includes(grantor)) await deps.connect(grantor, { signal });
    const { maxBudgetBytes: maxBytes } = protocolLimits;
    return decodeBudgetAnswer(
      await network.request(grantor, protocols.originBudget, encodeBudgetAsk(asked), { signal, maxBytes }),
    );
  };

  const work = (): void => {
    release();
    tellDemand();
    const rollAtMs = roll.wakeAtMs();
    if (rollAtMs !== undefined && rollAtMs <= clock.now()) tellMembers();
    say({ kind: 'tick' });
  };
  const wakeLater = (): void => {
    cancelWake();
    if (!machines) return;
    const sendingUntilMs = isSending && purse.waiting === 0 ? sentAtMs + SENDING_MS : Infinity;
    const wakeMs = Math.min(machines.holder.wakeAtMs(), purse.wakeAtMs(), roll.wakeAtMs() ?? Infinity, sendingUntilMs);
    // Never less than a millisecond: a timer may fire an unmeasurable moment early, and would be set again for ever.
    if (wakeMs < Infinity) cancelWake = clock.after(Math.max(1, wakeMs - clock.now()), work);
  };
  const tellDemand = (): void => {
    const nowMs = clock.now();
    if (purse.waiting > 0 && options.role === 'seeder') sentAtMs = nowMs;
    const sends = nowMs - sentAtMs < SENDING_MS;
    if (sends === isSending) return;
    isSending = sends;
    say({ kind: 'demand', ...reads, sends });
  };
  const tellMembers = (): void => {
    say({ kind: 'members', ...roll.standing(clock.now()) });
  };
  const membersChanged = (): void => {
    if (!machines) return;
    const members = deps.members();
    for (const peer of usedAtMs.keys()) if (!members.includes(peer)) usedAtMs.delete(peer);
    roll.update(members, clock.now());
    tellMembers();
    const isSeeder = options.role === 'seeder';
    const seeders = [...deps.seeders(), ...(isSeeder ? [self] : [])];
    say({ kind: 'grantors', ranked: rankGrantors(self, { seeders, members: [self, ...members] }) });
  };
  const begin = (): void => {
    const nowMs = clock.now();
    // A node that has been here for long has been heard of, whenever it is given a budget.
    const joinMs = Math.max(0, options.uses.joinMs - (nowMs - startedAtMs));
    machines = {
      holder: createBudgetHolder(
        { self, budget, nowMs, firstSequence: Math.floor(clock.wallMs()) * 1000 },
        { ...options.uses, joinMs },
      ),
      grantor: createBudgetGrantor(
        { budget, nowMs, firstToken: 1 + Math.floor(random.next() * 2 ** 52) },
        options.uses,
      ),
    };
    stopHandling = network.handle(
      protocols.originBudget,
      { maxRequestBytes: protocolLimits.maxBudgetBytes },
      async ({ peer, bytes }) => encodeBudgetAnswer(answerFor(peer, decodeBudgetAsk(bytes))),
    );
    allow({ bytesPerSecond: 0, reads: 0, keepReads: 0, untilMs: nowMs });
    membersChanged();
    say({ kind: 'demand', ...reads, sends: isSending });
  };
  const end = (): void => {
    machines = undefined;
    cancelWake();
    stopHandling();
    purse.allow({ bytesPerSecond: Infinity, untilMs: Infinity }, clock.now());
    release();
    deps.onAllowance(unlimitedAllowance);
  };

  return {
    start() {
      isStarted = true;
      if (isFinite()) begin();
    },
    stop() {
      stopping.abort(new SwarmError('SWARM_CLOSED', 'the swarm is closed'));
      cancelWake();
      stopHandling();
    },
    setBudget(next) {
      budget = next;
      if (!isStarted) return;
      if (!isFinite()) {
        if (machines) end();
      } else if (machines) {
        machines.grantor.setBudget(budget);
        say({ kind: 'budget', budget });
      } else begin();
    },
    membersChanged,
    memberSaidGoodbye: (peer) => roll.saidGoodbye(peer, clock.now()),
    demand(wantsReads, heldReads) {
      reads = { wantsReads, heldReads };
      say({ kind: 'demand', ...reads, sends: isSending });
    },
    get isLimited() {
      return machines !== undefined;
    },
    async take(bytes, { signal, onWait }) {
      if (!machines) return;
      signal.throwIfAborted();
      const id = (lastTaker += 1);
      let cancelWord = (): void => {};
      const taken = new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          takers.delete(id);
          purse.cancel(id, clock.now());
          cancelWord();
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        takers.set(id, () => {
          signal.removeEventListener('abort', onAbort);
          cancelWord();
          resolve();
        });
      });
      const speak = (): void => {
        onWait?.();
        cancelWord = clock.after(WAIT_WORD_MS, speak);
      };
      if (onWait) cancelWord = clock.after(WAIT_WORD_MS, speak);
      purse.take(id, bytes, clock.now());
      if (options.role === 'seeder') sentAtMs = clock.now();
      tellDemand();
      release();
      wakeLater();
      return taken;
    },
    lastUsedMs: (peer) => usedAtMs.get(peer),
    status() {
      if (!machines) return undefined;
      const nowMs = clock.now();
      return {
        ...machines.holder.status(nowMs),
        granting: machines.grantor.status(nowMs),
        takenBytes: purse.releasedBytes,
      };
    },
  };
}
