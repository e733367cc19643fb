import type { PackId } from '@quarry/content';
import { createSeededRandom } from '@quarry/runtime';
import type { Random } from '@quarry/runtime';
import type { StormHost } from '@quarry/scenario';
import { budgetDefaults, createFetchScheduler, createLinkPace, emptyMasks } from '@quarry/swarm/scheduler';
import type {
  FetchAction,
  FetchEvent,
  FetchScheduler,
  LinkPace,
  OriginAllowance,
  PieceMasks,
  PeerId,
  Role,
} from '@quarry/swarm/scheduler';
import { createHaveBoard } from './have-board.ts';
import type { HaveBoard } from './have-board.ts';
import { createReceiver } from './receiver.ts';
import type { Receiver } from './receiver.ts';
import { createSender } from './sender.ts';
import type { Sender } from './sender.ts';
import { createUnshelver } from './unshelver.ts';
import type { Unshelver } from './unshelver.ts';
import { createSimBudget } from './sim-budget.ts';
import type { SimBudget } from './sim-budget.ts';
import type { TraceFacts, TraceSink } from '../trace.ts';
import type { World } from './world.ts';

/** What a timer that fires so late tells the scheduler: as in the daemon. */
const HELD_UP_MS = 200;

/** A compute host: the production scheduler and sender slots, over the simulation's wire, links and disk. */
export class SimNode {
  readonly world: World;
  readonly endpoint: number;
  readonly peer: PeerId;
  readonly host: StormHost;
  readonly random: Random;
  /** What is on its disk, per pack of the storm. */
  readonly have: Map<number, PieceMasks> = new Map();
  readonly connections: Set<number> = new Set();
  readonly banned: Set<number> = new Set();
  readonly pace: LinkPace = createLinkPace();
  budget: SimBudget;
  scheduler: FetchScheduler;
  sender: Sender;
  receiver: Receiver;
  board: HaveBoard;
  unshelver: Unshelver;
  isAlive = true;
  /** Whether it has had time to meet the others since it started. */
  isJoined = true;
  startedAtMs: number = -Infinity;
  readonly #present: Map<number, Float64Array> = new Map();
  readonly #bad: Map<number, PieceMasks> = new Map();
  readonly #met: Map<number, number> = new Map();
  #life = 0;
  #timer: number | undefined;
  #timerAtMs = Infinity;
  #diskFreeAtMs = 0;

  constructor(world: World, endpoint: number) {
    this.world = world;
    this.endpoint = endpoint;
    this.host = world.storm.hosts[endpoint] as StormHost;
    this.peer = peerOf(endpoint);
    this.random = createSeededRandom(world.storm.seed * 1_000_003 + endpoint + 1);
    this.scheduler = createFetchScheduler({ self: this.peer, random: this.random, pace: this.pace });
    this.sender = createSender(this);
    this.receiver = createReceiver(this);
    this.board = createHaveBoard(this);
    this.unshelver = createUnshelver(this);
    this.budget = this.#createBudget(0);
  }

  get nowMs(): number {
    return this.world.queue.nowMs;
  }

  /** Tells the scheduler, and does what it wants done. */
  say(event: FetchEvent): void {
    if (!this.isAlive) return;
    for (const action of this.scheduler.handle(event, this.nowMs)) this.#perform(action);
    this.#arm();
  }

  masksOf(pack: number): PieceMasks {
    let masks = this.have.get(pack);
    if (!masks) {
      masks = emptyMasks(this.world.packs.descriptors[pack]?.pieceCount ?? 0);
      this.have.set(pack, masks);
    }
    return masks;
  }

  holds(pack: number, piece: number, mask: number): boolean {
    return ((this.have.get(pack)?.[piece] ?? 0) & mask) === mask;
  }

  /** Writes chunks and then runs `written`; one write after the other. */
  write(bytes: number, written: () => void): void {
    const { diskWriteBytesPerSecond } = this.host;
    if (diskWriteBytesPerSecond === Infinity) return written();
    const life = this.#life;
    this.#diskFreeAtMs = Math.max(this.nowMs, this.#diskFreeAtMs) + (1000 * bytes) / diskWriteBytesPerSecond;
    this.world.queue.at(this.#diskFreeAtMs, () => {
      if (this.#life === life) written();
    });
  }

  /** `isGood`: the chunks are what their digests say. */
  becomePresent(pack: number, piece: number, mask: number, isGood: boolean = true): void {
    const masks = this.masksOf(pack);
    this.#noteContent(pack, piece, mask & ~(masks[piece] ?? 0), isGood);
    masks[piece] = (masks[piece] ?? 0) | mask;
    let present = this.#present.get(pack);
    if (!present) this.#present.set(pack, (present = new Float64Array(masks.length).fill(-Infinity)));
    present[piece] = this.nowMs;
    this.say({ kind: 'present', pack: this.packId(pack), piece, mask });
    this.board.changed(pack, piece);
  }

  /** Whether what it would send of a piece is what its digests say. */
  isGood(pack: number, piece: number, mask: number): boolean {
    return ((this.#bad.get(pack)?.[piece] ?? 0) & mask) === 0;
  }

  /** What is accepted is seen where it is stored, and goes on from there to others. */
  #noteContent(pack: number, piece: number, mask: number, isGood: boolean): void {
    const { invariants, packs } = this.world;
    const descriptor = packs.descriptors[pack];
    if (!descriptor) return;
    for (let bit = 0; mask >> bit !== 0; bit += 1) {
      if (((mask >> bit) & 1) === 0) continue;
      invariants.chunkAccepted(this.nowMs, this.endpoint, pack, piece * descriptor.chunksPerPiece + bit, isGood);
    }
    if (isGood && this.#bad.size === 0) return;
    const bad = this.#bad.get(pack) ?? emptyMasks(descriptor.pieceCount);
    bad[piece] = ((bad[piece] ?? 0) & ~mask) | (isGood ? 0 : mask);
    this.#bad.set(pack, bad);
  }

  packId(pack: number): PackId {
    return this.world.packs.descriptors[pack]?.id as PackId;
  }

  /** When chunks of the piece last became present; -Infinity: before the storm. */
  presentSinceMs(pack: number, piece: number): number {
    return this.#present.get(pack)?.[piece] ?? -Infinity;
  }

  /** When it was connected to another; -Infinity: before the storm. */
  metMs(other: number): number {
    return this.#met.get(other) ?? -Infinity;
  }

  /** A host of its zone, where there are several. */
  isNear(other: number): boolean {
    return this.world.storm.zones.length > 1 && this.world.storm.hosts[other]?.zone === this.host.zone;
  }

  meet(other: number, role: Role): void {
    if (this.connections.has(other) || this.banned.has(other)) return;
    this.connections.add(other);
    if (this.nowMs > 0) this.#met.set(other, this.nowMs);
    this.say({ kind: 'peerJoined', peer: peerOf(other), role, isNear: role === 'node' && this.isNear(other) });
  }

  part(other: number): void {
    if (!this.connections.delete(other)) return;
    this.board.forget(other);
    this.sender.peerGone(other);
    this.say({ kind: 'peerLeft', peer: peerOf(other) });
  }

  #perform(action: FetchAction): void {
    if (this.world.trace !== undefined) this.#trace(this.world.trace, action);
    switch (action.kind) {
      case 'request':
      case 'ask':
      case 'readLastResort':
      case 'cancel':
        return this.receiver.perform(action);
      case 'originDemand':
        return this.budget.demand(action.wantsReads, action.heldReads);
      case 'seek':
        return this.world.gossip.seek(this, action.pack, action.piece);
      case 'ban': {
        const other = endpointOf(action.peer);
        this.world.counts.bans += 1;
        this.banned.add(other);
        this.part(other);
        this.world.nodes[other]?.part(this.endpoint);
        return;
      }
      case 'done':
      case 'noSource':
        return this.unshelver.ended(action);
    }
  }

  #trace(trace: TraceSink, action: FetchAction): void {
    const mark = (name: string, facts: TraceFacts): void =>
      trace.mark(this.nowMs, this.endpoint, 'decision', name, facts);
    if (action.kind === 'ban') mark('ban', { peer: action.peer, why: action.reason });
    else if (action.kind === 'request' && action.isHedge) {
      const { peer, piece } = action;
      mark('hedge', { peer, pack: this.world.packs.indexOf(action.pack), piece });
    }
  }

  /** An earlier timer stays: when it fires, the next moment is asked for again. */
  #arm(): void {
    const wakeAtMs = this.scheduler.wakeAtMs();
    if (wakeAtMs === undefined || wakeAtMs >= this.#timerAtMs) return;
    const { queue } = this.world;
    if (this.#timer !== undefined) queue.cancel(this.#timer);
    this.#timerAtMs = Math.max(wakeAtMs, this.nowMs + 1);
    this.#timer = queue.at(this.#timerAtMs, () => this.#wake());
  }

  #wake(): void {
    this.#timer = undefined;
    const dueMs = this.#timerAtMs;
    this.#timerAtMs = Infinity;
    if (!this.isAlive || this.world.wire.isStalled(this.endpoint)) return;
    const wakeAtMs = this.scheduler.wakeAtMs();
    if (wakeAtMs === undefined) return;
    const lateMs = this.nowMs - dueMs;
    if (lateMs > HELD_UP_MS) this.say({ kind: 'heldUp', ms: lateMs });
    else if (wakeAtMs <= this.nowMs) this.say({ kind: 'tick' });
    this.#arm();
  }

  /** After a stall: what should have happened meanwhile was not lost, only late. */
  resume(stalledMs: number): void {
    // First, as there: reads whose lease has run out are not waited for.
    if (this.isAlive) this.budget.resume();
    if (this.isAlive) this.say(stalledMs > HELD_UP_MS ? { kind: 'heldUp', ms: stalledMs } : { kind: 'tick' });
  }

  die(): void {
    this.isAlive = false;
    this.isJoined = false;
    this.#life += 1;
    if (this.#timer !== undefined) this.world.queue.cancel(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    this.receiver.die();
    this.unshelver.die();
    this.sender.die();
    this.board.die();
    this.budget.die();
    this.connections.clear();
  }

  /** A new process over what the disk kept. */
  restart(): void {
    this.isAlive = true;
    this.startedAtMs = this.nowMs;
    this.banned.clear();
    this.#diskFreeAtMs = 0;
    this.scheduler = createFetchScheduler({ self: this.peer, random: this.random, pace: this.pace });
    this.sender = createSender(this);
    this.receiver = createReceiver(this);
    this.board = createHaveBoard(this);
    this.budget = this.#createBudget(budgetDefaults.joinMs);
  }

  #createBudget(joinMs: number): SimBudget {
    const onAllowance = (allowance: OriginAllowance): void => this.say({ kind: 'originAllowance', ...allowance });
    return createSimBudget(this.world, { endpoint: this.endpoint, isSeeder: false, joinMs, onAllowance });
  }
}

export function peerOf(endpoint: number): PeerId {
  return `peer-${String(endpoint).padStart(5, '0')}` as PeerId;
}

export function endpointOf(peer: PeerId): number {
  return Number(peer.slice(5));
}
