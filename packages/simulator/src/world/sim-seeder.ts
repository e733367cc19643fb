import { maskedBytes } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import { createSeederLedger, fullMasks } from '@quarry/swarm/scheduler';
import type { AskEntry, GivenPiece, LedgerAction, LedgerEvent, PackMasks, PeerId } from '@quarry/swarm/scheduler';
import type { SeederLedger } from '@quarry/swarm/scheduler';
import { createSimBudget } from './sim-budget.ts';
import type { SimBudget } from './sim-budget.ts';
import { peerOf } from './sim-node.ts';
import type { SimNode } from './sim-node.ts';
import type { Transfer } from './transfers.ts';
import { whyAgain } from './why-again.ts';
import type { World } from './world.ts';

export type AskAnswer =
  | { readonly kind: 'wait'; readonly ahead: number }
  | { readonly kind: 'dry'; readonly lacking: readonly PackMasks[] };

/** Where the outcome of one ask goes. */
export interface AskHandlers {
  readonly answered: (answer: AskAnswer) => void;
  readonly flowing: (transfer: Transfer) => void;
  readonly arrived: (given: GivenPiece) => void;
  /** The stream ended before the answer. */
  readonly broken: () => void;
}

interface OpenAsk {
  readonly node: SimNode;
  readonly handlers: AskHandlers;
  readonly askedAtMs: number;
  transfer: Transfer | undefined;
}

/** A daemon next to the store: the production ledger in front of the store's link. */
export class SimSeeder {
  readonly world: World;
  readonly endpoint: number;
  readonly peer: PeerId;
  readonly ledger: SeederLedger;
  readonly budget: SimBudget;
  isAlive = true;
  readonly #asks = new Map<number, OpenAsk>();
  #lastAsk = 0;
  #timer: number | undefined;

  constructor(world: World, endpoint: number) {
    this.world = world;
    this.endpoint = endpoint;
    this.peer = peerOf(endpoint);
    const random = createSeededRandom(world.storm.seed * 1_000_003 + 500_000 + endpoint);
    this.ledger = createSeederLedger({ random });
    this.budget = createSimBudget(world, { endpoint, isSeeder: true, joinMs: 0, onAllowance: () => {} });
    for (const descriptor of world.packs.descriptors) {
      this.#say({ kind: 'holds', pack: descriptor.id, masks: fullMasks(descriptor), isPlain: true });
    }
  }

  /** Under way. */
  get sends(): number {
    return [...this.#asks.values()].filter(({ transfer }) => transfer !== undefined).length;
  }

  nextAsk(): number {
    this.#lastAsk += 1;
    return this.#lastAsk;
  }

  ask(ask: number, node: SimNode, entries: readonly AskEntry[], handlers: AskHandlers): void {
    if (!this.isAlive) return;
    this.#asks.set(ask, { node, handlers, askedAtMs: this.world.queue.nowMs, transfer: undefined });
    const distrusts = [...node.banned].map(peerOf);
    this.#say({ kind: 'ask', ask, asker: node.peer, entries, isLacking: false, distrusts });
  }

  withdraw(ask: number): void {
    const open = this.#asks.get(ask);
    this.#asks.delete(ask);
    if (open?.transfer) this.world.counts.wastedBytes += open.transfer.cancel();
    this.#say({ kind: 'askEnded', ask });
  }

  peerGone(endpoint: number): void {
    for (const [ask, open] of this.#asks) {
      if (open.node.endpoint !== endpoint) continue;
      this.#asks.delete(ask);
      if (open.transfer) this.world.counts.wastedBytes += open.transfer.cancel();
    }
    this.#say({ kind: 'peerGone', peer: peerOf(endpoint) });
  }

  die(): void {
    this.isAlive = false;
    for (const { transfer } of this.#asks.values()) if (transfer) this.world.counts.wastedBytes += transfer.cancel();
    this.#asks.clear();
    this.budget.die();
    if (this.#timer !== undefined) this.world.queue.cancel(this.#timer);
  }

  #say(event: LedgerEvent): void {
    if (!this.isAlive) return;
    const { queue } = this.world;
    for (const action of this.ledger.handle(event, queue.nowMs)) this.#perform(action);
    if (this.#timer !== undefined) queue.cancel(this.#timer);
    const wakeAtMs = this.ledger.wakeAtMs();
    this.#timer =
      wakeAtMs === undefined
        ? undefined
        : queue.at(Math.max(wakeAtMs, queue.nowMs + 1), () => {
            this.#timer = undefined;
            this.#say({ kind: 'tick' });
          });
  }

  /** Who has not met another seeder cannot leave to it what is its to give. */
  #whyMine({ node, askedAtMs }: OpenAsk): string | undefined {
    const { seeders, storm } = this.world;
    const saidMs = askedAtMs - storm.control.hopMs - storm.control.jitterMs;
    const isMissing = seeders.some(
      (other) => other.isAlive && (!node.connections.has(other.endpoint) || node.metMs(other.endpoint) >= saidMs),
    );
    return isMissing ? 'its seeder not met yet' : undefined;
  }

  #perform(action: LedgerAction): void {
    const open = this.#asks.get(action.ask);
    if (action.kind !== 'give') {
      this.#asks.delete(action.ask);
      const { kind } = action;
      open?.handlers.answered(kind === 'wait' ? { kind, ahead: action.ahead } : { kind, lacking: action.lacking });
      return;
    }
    const { ask, pack, piece, mask, regive } = action;
    const descriptor = this.world.packs.descriptors[this.world.packs.indexOf(pack)];
    if (!open || !descriptor) {
      this.#say({ kind: 'sendFailed', ask });
      return;
    }
    const { world } = this;
    const want = { pack: world.packs.indexOf(pack), piece, mask, staleMs: world.queue.nowMs - open.askedAtMs };
    world.store.given(pack, piece, mask, () => regive ?? whyAgain(world, open.node, want) ?? this.#whyMine(open));
    open.transfer = this.world.transfers.start(
      this.endpoint,
      open.node.endpoint,
      maskedBytes(descriptor, piece, mask),
      () => {
        this.#asks.delete(ask);
        open.handlers.arrived({ pack, piece, mask });
        this.#say({ kind: 'sent', ask });
      },
      {
        piece: { pack: this.world.packs.indexOf(pack), piece },
        gate: this.budget,
        broken: () => {
          this.#asks.delete(ask);
          open.handlers.broken();
          this.#say({ kind: 'sendFailed', ask });
        },
      },
    );
    open.handlers.flowing(open.transfer);
    this.world.invariants.originTakers({ sends: this.world.seeders.reduce((sum, one) => sum + one.sends, 0) });
  }
}
