import { createSeededRandom } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import { createBudgetGrantor } from '../../src/budget/budget-grantor.ts';
import type { BudgetGrantor } from '../../src/budget/budget-grantor.ts';
import { createBudgetHolder, nothingAllowed } from '../../src/budget/budget-holder.ts';
import type { BudgetHolder } from '../../src/budget/budget-holder.ts';
import type { Allowance, BudgetHolderEvent, OriginBudget } from '../../src/budget/budget-events.ts';
import { createMemberRoll, rankGrantors } from '../../src/budget/member-roll.ts';
import type { MemberRoll } from '../../src/budget/member-roll.ts';
import type { PeerId } from '../../src/ports/network.ts';

export const TICK_MS = 20;
const RECORD_EVERY_MS = 3000;
const RECORD_TTL_MS = 9000;

export interface BudgetNode {
  readonly peer: PeerId;
  readonly isSeeder: boolean;
  holder: BudgetHolder;
  grantor: BudgetGrantor;
  readonly roll: MemberRoll;
  readonly heard: Map<PeerId, number>;
  allowance: Allowance;
  /** When each read that is under way will be over. */
  reads: number[];
  wantsReads: number;
  sends: boolean;
  isUp: boolean;
}

export interface WorldFaults {
  /** Part of the messages that are lost, on the way there or back. */
  loss: number;
  maxDelayMs: number;
}

/** Holders and grantors of a whole cluster in virtual time, and between them a network that delays, reorders, loses and splits. */
export class BudgetWorld {
  nowMs = 0;
  readonly nodes = new Map<PeerId, BudgetNode>();
  readonly faults: WorldFaults = { loss: 0, maxDelayMs: 5 };
  /** Which side of a split each is on; equal: they reach each other. */
  readonly side = new Map<PeerId, number>();
  asks = 0;
  brokenOff = 0;
  readonly #queue: { readonly atMs: number; readonly run: () => void }[] = [];
  readonly #random: Random;
  readonly #budget: OriginBudget;
  readonly #joinMs: number;

  constructor(seed: number, budget: OriginBudget, joinMs: number) {
    this.#random = createSeededRandom(seed);
    this.#budget = budget;
    this.#joinMs = joinMs;
  }

  /** Also starts one again that was killed: it remembers nothing. */
  start(name: string, options: { readonly isSeeder?: boolean } = {}): BudgetNode {
    const peer = name as PeerId;
    const deps = { budget: this.#budget, nowMs: this.nowMs };
    const node: BudgetNode = {
      peer,
      isSeeder: options.isSeeder ?? false,
      holder: createBudgetHolder({ ...deps, self: peer, firstSequence: this.nowMs * 1000 }, { joinMs: this.#joinMs }),
      grantor: createBudgetGrantor({ ...deps, firstToken: 1 + Math.floor(this.#random.next() * 2 ** 40) }),
      roll: createMemberRoll(peer),
      heard: new Map(),
      allowance: nothingAllowed,
      reads: [],
      wantsReads: 0,
      sends: false,
      isUp: true,
    };
    this.nodes.set(peer, node);
    for (const other of this.nodes.values()) if (this.reaches(node, other)) this.#meet(node, other);
    return node;
  }

  kill(node: BudgetNode): void {
    node.isUp = false;
    node.reads = [];
    node.allowance = nothingAllowed;
  }

  reaches(a: BudgetNode, b: BudgetNode): boolean {
    return a.isUp && b.isUp && (this.side.get(a.peer) ?? 0) === (this.side.get(b.peer) ?? 0);
  }

  /** Bytes a second that all together may take at this moment. */
  allowedBytesPerSecond(): number {
    let sum = 0;
    for (const { allowance, isUp } of this.nodes.values()) {
      if (isUp && allowance.untilMs > this.nowMs) sum += allowance.bytesPerSecond;
    }
    return sum;
  }

  readsUnderWay(): number {
    return [...this.nodes.values()].reduce((sum, node) => sum + node.reads.length, 0);
  }

  step(): void {
    this.nowMs += TICK_MS;
    const due = this.#queue.filter(({ atMs }) => atMs <= this.nowMs).sort((a, b) => a.atMs - b.atMs);
    for (const one of due) this.#queue.splice(this.#queue.indexOf(one), 1);
    for (const { run } of due) run();
    if (this.nowMs % RECORD_EVERY_MS === 0) this.#gossip();
    for (const node of this.nodes.values()) if (node.isUp) this.#work(node);
  }

  #meet(a: BudgetNode, b: BudgetNode): void {
    if (a === b) return;
    a.heard.set(b.peer, this.nowMs);
    b.heard.set(a.peer, this.nowMs);
    this.#seeMembers(a);
    this.#seeMembers(b);
  }

  #gossip(): void {
    for (const a of this.nodes.values()) {
      for (const b of this.nodes.values()) if (a !== b && this.reaches(a, b)) a.heard.set(b.peer, this.nowMs);
      for (const [peer, atMs] of a.heard) if (this.nowMs - atMs > RECORD_TTL_MS) a.heard.delete(peer);
      if (a.isUp) this.#seeMembers(a);
    }
  }

  #seeMembers(node: BudgetNode): void {
    node.roll.update(node.heard.keys(), this.nowMs);
    const { count, rank } = node.roll.standing(this.nowMs);
    this.tell(node, { kind: 'members', count, rank });
    const known = [...node.heard.keys()].flatMap((peer) => this.nodes.get(peer) ?? []);
    const seeders = [node, ...known.filter((one) => this.reaches(node, one))].filter((one) => one.isSeeder);
    const ranked = rankGrantors(node.peer, {
      seeders: seeders.map(({ peer }) => peer),
      members: [node, ...known].map(({ peer }) => peer),
    });
    this.tell(node, { kind: 'grantors', ranked });
  }

  #work(node: BudgetNode): void {
    node.reads = node.reads.filter((endMs) => endMs > this.nowMs);
    this.#tellDemand(node);
    this.tell(node, { kind: 'tick' });
    const { allowance } = node;
    const mayStart = allowance.untilMs > this.nowMs ? Math.min(allowance.reads, node.wantsReads) : 0;
    while (node.reads.length < mayStart) node.reads.push(this.nowMs + 20 + this.#random.next() * 3000);
    this.#tellDemand(node);
  }

  #tellDemand({ wantsReads, reads, sends, ...node }: BudgetNode): void {
    const event = { kind: 'demand' as const, wantsReads, heldReads: reads.length, sends };
    this.tell(this.nodes.get(node.peer) as BudgetNode, event);
  }

  tell(node: BudgetNode, event: BudgetHolderEvent): void {
    const { holder } = node;
    for (const action of holder.handle(event, this.nowMs)) {
      if (action.kind === 'allow') {
        node.allowance = action;
        const over = Math.max(0, node.reads.length - action.keepReads);
        this.brokenOff += over;
        if (over > 0) node.reads = node.reads.slice(0, action.keepReads);
        continue;
      }
      this.asks += 1;
      const { request, ask } = action;
      const there = this.nodes.get(action.grantor);
      if (there === node) {
        const answer = node.grantor.answer(node.peer, ask, this.nowMs);
        if (answer) this.tell(node, { kind: 'answer', request, answer });
        continue;
      }
      this.#send(() => {
        if (!there || !this.reaches(node, there) || node.holder !== holder) return;
        const answer = there.grantor.answer(node.peer, ask, this.nowMs);
        if (!answer) return;
        this.#send(() => {
          if (this.reaches(node, there) && node.holder === holder) this.tell(node, { kind: 'answer', request, answer });
        });
      });
    }
  }

  #send(run: () => void): void {
    if (this.#random.next() < this.faults.loss) return;
    this.#queue.push({ atMs: this.nowMs + this.#random.next() * this.faults.maxDelayMs, run });
  }
}
