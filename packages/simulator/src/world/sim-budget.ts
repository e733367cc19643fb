import {
  createBudgetGrantor,
  createBudgetHolder,
  createMemberRoll,
  createPurse,
  rankGrantors,
} from '@quarry/swarm/scheduler';
import type {
  BudgetAnswer,
  BudgetAsk,
  BudgetGrantor,
  BudgetHolder,
  BudgetHolderEvent,
  MemberRoll,
  OriginAllowance,
  OriginBudget,
  PeerId,
  Purse,
} from '@quarry/swarm/scheduler';
import { budgetAt, peersKnownTo, SETTLED_MS } from './budget-peers.ts';
import { endpointOf, peerOf } from './sim-node.ts';
import type { World } from './world.ts';

/** A host's or a seeder's part in the origin budget. */
export interface SimBudget {
  /** Whether bytes are paced at all. */
  readonly isLimited: boolean;
  /** Runs `taken` when so many bytes may cross the store's link, and `stillWaits` every second until then. Returns how to give up. */
  take(bytes: number, taken: () => void, stillWaits?: () => void): () => void;
  /** Of this host's reads of Glance. */
  demand(wantsReads: number, heldReads: number): void;
  /** Who is there or connected has changed; these said goodbye. */
  membersChanged(goodbyes?: readonly PeerId[]): void;
  /** Somebody asks for a lease. Undefined: refused. */
  answer(peer: PeerId, ask: BudgetAsk, nowMs: number): BudgetAnswer | undefined;
  /** Makes up for the time before the storm, in which it lent and asked for nothing; `nowMs` is below 0. */
  settle(nowMs: number): void;
  /** After a stall: what was due meanwhile. */
  resume(): void;
  die(): void;
}

/** Where there is no limit nobody waits, and nobody says a word. */
export const unlimitedBudget: SimBudget = {
  isLimited: false,
  take(_bytes, taken) {
    taken();
    return () => {};
  },
  demand() {},
  membersChanged() {},
  answer: () => undefined,
  settle() {},
  resume() {},
  die() {},
};

interface Owner {
  readonly endpoint: number;
  readonly isSeeder: boolean;
  /** For how long it lends and uses no share of its own. */
  readonly joinMs: number;
  readonly onAllowance: (allowance: OriginAllowance) => void;
}

/** As in the daemon: a seeder that has sent nothing for so long sends no more, */
const SENDING_MS = 250;
/** and whoever waits for bytes says so this often. */
const WAIT_WORD_MS = 1000;

export function createSimBudget(world: World, owner: Owner): SimBudget {
  const { budgetBytesPerSecond: bytesPerSecond, budgetReads: reads } = world.storm.origin;
  if (bytesPerSecond === Infinity && reads === Infinity) return unlimitedBudget;
  return new LimitedSimBudget(world, owner, { bytesPerSecond, reads });
}

/** The production machines over the simulation's wire and time. */
class LimitedSimBudget implements SimBudget {
  readonly isLimited = true;
  readonly #world: World;
  readonly #owner: Owner;
  readonly #self: PeerId;
  readonly #holder: BudgetHolder;
  readonly #grantor: BudgetGrantor;
  readonly #roll: MemberRoll;
  readonly #purse: Purse;
  readonly #takers = new Map<number, () => void>();
  #lastTaker = 0;
  #reads = { wantsReads: 0, heldReads: 0 };
  #sentAtMs = -Infinity;
  #isSending = false;
  #isAlive = true;
  #settlingMs: number | undefined;
  #timer: number | undefined;

  constructor(world: World, owner: Owner, budget: OriginBudget) {
    const { endpoint, joinMs } = owner;
    this.#world = world;
    this.#owner = owner;
    this.#self = peerOf(endpoint);
    const nowMs = joinMs === 0 ? world.queue.nowMs - SETTLED_MS : world.queue.nowMs;
    // Later runs of a host count on from above those before, as the calendar has it.
    const firstSequence = Math.floor(nowMs + SETTLED_MS) * 1000;
    const firstToken = 1 + Math.floor(world.random.next() * 2 ** 40);
    this.#holder = createBudgetHolder({ self: this.#self, budget, nowMs, firstSequence }, { joinMs });
    this.#grantor = createBudgetGrantor({ budget, nowMs, firstToken });
    this.#roll = createMemberRoll(this.#self);
    this.#purse = createPurse(nowMs);
    owner.onAllowance({ bytesPerSecond: 0, reads: 0, keepReads: 0 });
  }

  get #nowMs(): number {
    return this.#settlingMs ?? this.#world.queue.nowMs;
  }

  take(bytes: number, taken: () => void, stillWaits?: () => void): () => void {
    const { queue } = this.#world;
    const id = (this.#lastTaker += 1);
    let word: number | undefined;
    const speakLater = (): void => {
      word = queue.at(queue.nowMs + WAIT_WORD_MS, () => {
        speakLater();
        stillWaits?.();
      });
    };
    const hush = (): void => {
      if (word !== undefined) queue.cancel(word);
    };
    if (stillWaits) speakLater();
    this.#takers.set(id, () => {
      hush();
      taken();
    });
    this.#purse.take(id, bytes, this.#nowMs);
    if (this.#owner.isSeeder) this.#sentAtMs = this.#nowMs;
    this.#tellDemand();
    this.#release();
    this.#wakeLater();
    return () => {
      hush();
      if (this.#takers.delete(id)) this.#purse.cancel(id, this.#nowMs);
    };
  }

  demand(wantsReads: number, heldReads: number): void {
    this.#reads = { wantsReads, heldReads };
    this.#say({ kind: 'demand', ...this.#reads, sends: this.#isSending });
  }

  membersChanged(goodbyes: readonly PeerId[] = []): void {
    const { endpoint, isSeeder } = this.#owner;
    const { members, seeders } = peersKnownTo(this.#world, endpoint);
    for (const peer of goodbyes) this.#roll.saidGoodbye(peer, this.#nowMs);
    this.#roll.update(members, this.#nowMs);
    this.#tellStanding();
    const ranked = rankGrantors(this.#self, {
      seeders: isSeeder ? [...seeders, this.#self] : seeders,
      members: [this.#self, ...members],
    });
    this.#say({ kind: 'grantors', ranked });
  }

  answer(peer: PeerId, ask: BudgetAsk, nowMs: number): BudgetAnswer | undefined {
    return this.#isAlive ? this.#grantor.answer(peer, ask, nowMs) : undefined;
  }

  settle(nowMs: number): void {
    this.#settlingMs = nowMs;
    if (nowMs === -SETTLED_MS) this.membersChanged();
    else this.#say({ kind: 'tick' });
    this.#settlingMs = undefined;
    this.#wakeLater();
  }

  resume(): void {
    this.#work();
  }

  die(): void {
    this.#isAlive = false;
    this.#takers.clear();
    if (this.#timer !== undefined) this.#world.queue.cancel(this.#timer);
    this.#world.invariants.leased(this.#nowMs, this.#owner.endpoint, 0, 0);
  }

  #say(event: BudgetHolderEvent): void {
    if (!this.#isAlive) return;
    for (const action of this.#holder.handle(event, this.#nowMs)) {
      if (action.kind === 'ask') {
        this.#ask(action.grantor, action.request, action.ask);
        continue;
      }
      const { bytesPerSecond, reads, keepReads, untilMs } = action;
      this.#world.invariants.leased(this.#nowMs, this.#owner.endpoint, bytesPerSecond, untilMs);
      this.#purse.allow({ bytesPerSecond, untilMs }, this.#nowMs);
      this.#release();
      this.#owner.onAllowance({ bytesPerSecond, reads, keepReads });
    }
    this.#wakeLater();
  }

  #ask(grantor: PeerId, request: number, ask: BudgetAsk): void {
    const { wire, queue } = this.#world;
    const { endpoint } = this.#owner;
    const to = endpointOf(grantor);
    const hear = (answer: BudgetAnswer | undefined): void =>
      this.#say(answer ? { kind: 'answer', request, answer } : { kind: 'failed', request });
    if (to === endpoint) return hear(this.answer(this.#self, ask, this.#nowMs));
    const there = budgetAt(this.#world, endpoint, to);
    // Before the storm everything happened so long ago that it does not matter how long it took.
    if (this.#settlingMs !== undefined) return hear(there?.answer(this.#self, ask, this.#settlingMs));
    if (!there && !wire.isDead(to)) {
      queue.at(queue.nowMs, () => hear(undefined)); // banned: it is not dialled
      return;
    }
    wire.send(endpoint, to, () => {
      const answer = budgetAt(this.#world, endpoint, to)?.answer(this.#self, ask, queue.nowMs);
      wire.send(to, endpoint, () => hear(answer));
    });
  }

  #release(): void {
    for (const id of this.#purse.release(this.#nowMs)) {
      const taken = this.#takers.get(id);
      this.#takers.delete(id);
      taken?.();
    }
  }

  #tellDemand(): void {
    const nowMs = this.#nowMs;
    if (this.#purse.waiting > 0 && this.#owner.isSeeder) this.#sentAtMs = nowMs;
    const sends = nowMs - this.#sentAtMs < SENDING_MS;
    if (sends === this.#isSending) return;
    this.#isSending = sends;
    this.#say({ kind: 'demand', ...this.#reads, sends });
  }

  #tellStanding(): void {
    this.#say({ kind: 'members', ...this.#roll.standing(this.#nowMs) });
  }

  #work(): void {
    if (!this.#isAlive || this.#world.wire.isStalled(this.#owner.endpoint)) return;
    this.#release();
    this.#tellDemand();
    if ((this.#roll.wakeAtMs() ?? Infinity) <= this.#nowMs) this.#tellStanding();
    this.#say({ kind: 'tick' });
  }

  #wakeLater(): void {
    if (!this.#isAlive || this.#settlingMs !== undefined) return;
    const { queue } = this.#world;
    if (this.#timer !== undefined) queue.cancel(this.#timer);
    const sendingUntilMs = this.#isSending && this.#purse.waiting === 0 ? this.#sentAtMs + SENDING_MS : Infinity;
    const wakeMs = Math.min(
      this.#holder.wakeAtMs(),
      this.#purse.wakeAtMs(),
      this.#roll.wakeAtMs() ?? Infinity,
      sendingUntilMs,
    );
    this.#timer = wakeMs === Infinity ? undefined : queue.at(Math.max(wakeMs, queue.nowMs + 1), () => this.#work());
  }
}
