import fc from 'fast-check';
import { createSeededRandom } from '@quarry/runtime';
import type { PackDescriptor } from '@quarry/content';
import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import type { FetchAction, FetchEvent } from '../../src/scheduler/fetch-events.ts';
import { createFetchScheduler } from '../../src/scheduler/fetch-scheduler.ts';
import { emptyMasks, fullMasks } from '../../src/scheduler/piece-masks.ts';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import { schedulerDefaults } from '../../src/scheduler/scheduler-options.ts';
import { paceOf } from './pace.ts';
import { peerId, somePack } from './packs.ts';

const PACKS = [somePack(40, 1), somePack(17, 2)];
const PEERS = ['a', 'b', 'c', 'd'].map(peerId);
/** Small, so that it is full most of the time. */
const WINDOW = 4;
const SEEDER = peerId('s');

interface Live {
  readonly peer: PeerId | undefined;
  readonly pack: string;
  readonly piece: number;
  readonly mask: number;
  readonly isHedge: boolean;
  /** Of a piece of a run: the run's number. */
  readonly run?: number;
}

/** What a careful observer of events and actions knows, and the rules that must hold for every action. */
class Observer {
  readonly #scheduler = createFetchScheduler(
    { self: peerId('self'), random: createSeededRandom(7), pace: paceOf(WINDOW) },
    { leaseRunBytes: 5 * 4 * 65536 },
  );
  readonly live = new Map<number, Live>();
  readonly landing = new Map<number, Live>();
  /** Runs of the last resort: what is still to come of each. */
  readonly runs = new Map<number, Set<number>>();
  readonly asks = new Map<number, PeerId>();
  readonly shows = new Map<string, PieceMasks>();
  readonly connected = new Set<PeerId>();
  readonly banned = new Set<PeerId>();
  readonly need = new Map<string, PieceMasks>();
  readonly open = new Set<number>();
  nowMs = 0;

  say(event: FetchEvent): void {
    for (const action of this.#scheduler.handle(event, this.nowMs)) this.#check(action);
    expect([...this.live.values()].filter((live) => live.peer && !live.isHedge).length).toBeLessThanOrEqual(WINDOW);
    expect([...this.live.values()].filter((live) => live.run === undefined).length).toBeLessThanOrEqual(2 * WINDOW);
    expect(this.runs.size).toBeLessThanOrEqual(schedulerDefaults.leaseReads);
    const wakeAtMs = this.#scheduler.wakeAtMs();
    if (wakeAtMs !== undefined) expect(wakeAtMs).toBeGreaterThan(this.nowMs);
  }

  #check(action: FetchAction): void {
    switch (action.kind) {
      case 'request': {
        const { request, peer, pack, piece, mask, isHedge } = action;
        expect(this.connected.has(peer) && !this.banned.has(peer), 'asks only who is there and not banned').toBe(true);
        expect(mask & ~(this.shows.get(`${peer} ${pack}`)?.[piece] ?? 0), 'asks only for what was shown').toBe(0);
        this.#begin(request, { peer, pack, piece, mask, isHedge });
        return;
      }
      case 'readLastResort': {
        const { request: run, pack, pieces } = action;
        expect(pieces.length).toBeGreaterThan(0);
        const numbers = pieces.map(({ piece }) => piece);
        expect(numbers, 'reads in order').toEqual(numbers.toSorted((a, b) => a - b));
        expect(new Set(numbers.map((piece) => Math.floor(piece / 5))).size, 'reads one run').toBe(1);
        for (const { request, piece, mask } of pieces) {
          this.#begin(request, { peer: undefined, pack, piece, mask, isHedge: false, run });
        }
        this.runs.set(run, new Set(pieces.map(({ request }) => request)));
        return;
      }
      case 'cancel': {
        const left = this.runs.get(action.request);
        if (left) {
          this.runs.delete(action.request);
          for (const request of left) this.#forget(request);
          return;
        }
        expect(this.live.get(action.request)?.run, 'cancels a run as a whole').toBeUndefined();
        expect(this.live.has(action.request) || this.asks.has(action.request), 'cancels only what is out').toBe(true);
        this.#forget(action.request);
        this.asks.delete(action.request);
        return;
      }
      case 'ask':
        expect([...this.asks.values()], 'keeps one ask with a seeder').not.toContain(action.seeder);
        for (const { pack, need } of action.entries) {
          for (const [piece, mask] of need.entries()) expect(mask & ~(this.need.get(pack)?.[piece] ?? 0)).toBe(0);
        }
        this.asks.set(action.request, action.seeder);
        return;
      case 'ban':
        this.banned.add(action.peer);
        this.connected.delete(action.peer);
        return;
      case 'done':
      case 'noSource':
        expect(this.open.delete(action.fetch), 'ends a fetch once').toBe(true);
        return;
      case 'seek':
    }
  }

  #begin(request: number, live: Live): void {
    const { peer, pack, piece, mask, isHedge } = live;
    expect(mask & ~(this.need.get(pack)?.[piece] ?? 0), 'asks only for what is needed').toBe(0);
    expect(mask).toBeGreaterThan(0);
    const rivals = [...this.live.values(), ...this.landing.values()].filter(
      (other) => other.pack === pack && other.piece === piece && (other.mask & mask) !== 0,
    );
    expect(rivals.length, 'asks two for the same chunks only to hedge, never three').toBe(isHedge ? 1 : 0);
    if (isHedge) expect(rivals[0]?.peer).not.toBe(peer);
    expect(this.live.has(request) || this.landing.has(request), 'uses a number once').toBe(false);
    this.live.set(request, live);
  }

  #forget(request: number): void {
    const live = this.live.get(request);
    this.live.delete(request);
    if (!live) return;
    for (const [other, twin] of this.live) {
      if (twin.isHedge && twin.pack === live.pack && twin.piece === live.piece && (twin.mask & live.mask) !== 0) {
        this.live.set(other, { ...twin, isHedge: false });
      }
    }
  }

  answer(request: number, outcome: 'good' | 'busy' | 'absent' | 'bad' | 'error'): void {
    const live = this.live.get(request);
    if (!live) return;
    if (live.run !== undefined) this.runs.get(live.run)?.delete(request);
    if (outcome === 'good') {
      if (live.run !== undefined && this.runs.get(live.run)?.size === 0) this.runs.delete(live.run);
      this.#forget(request);
      this.landing.set(request, live);
      this.say({ kind: 'verified', request });
    } else {
      this.#forget(request);
      if (live.run !== undefined) {
        for (const other of this.runs.get(live.run) ?? []) this.#forget(other);
        this.runs.delete(live.run);
        return this.say({ kind: 'failed', request: live.run, reason: 'error' });
      }
      const shown = this.shows.get(`${live.peer} ${live.pack}`);
      if (outcome === 'absent' && shown) shown[live.piece] = (shown[live.piece] ?? 0) & ~live.mask;
      this.say({ kind: 'failed', request, reason: outcome, queueLength: 2 });
    }
  }

  land(request: number): void {
    const live = this.landing.get(request);
    if (!live) return;
    const need = this.need.get(live.pack);
    if (need) need[live.piece] = (need[live.piece] ?? 0) & ~live.mask;
    const pack = PACKS.find(({ id }) => id === live.pack) as PackDescriptor;
    this.say({ kind: 'present', pack: pack.id, piece: live.piece, mask: live.mask });
    this.landing.delete(request);
    this.say({ kind: 'landed', request });
  }
}

type Step = (observer: Observer, fetch: number) => void;

const packArb = fc.constantFrom(...PACKS);
const peerArb = fc.constantFrom(...PEERS);
const masksFor = (pack: PackDescriptor, fill: number): PieceMasks =>
  fullMasks(pack).map((mask, piece) => ((piece * 7 + fill) % 5 === 0 ? 0 : mask) & (fill % 3 === 0 ? 0x5555 : 0xffff));

const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: peerArb.map(
      (peer): Step =>
        (o) => {
          if (o.banned.has(peer)) return;
          o.connected.add(peer);
          o.say({ kind: 'peerJoined', peer, role: 'node' });
        },
    ),
  },
  {
    weight: 1,
    arbitrary: peerArb.map(
      (peer): Step =>
        (o) => {
          o.connected.delete(peer);
          for (const pack of PACKS) o.shows.delete(`${peer} ${pack.id}`);
          o.say({ kind: 'peerLeft', peer });
        },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (joins): Step =>
        (o) =>
          o.say(joins ? { kind: 'peerJoined', peer: SEEDER, role: 'seeder' } : { kind: 'peerLeft', peer: SEEDER }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(peerArb, packArb, fc.nat(20)).map(
      ([peer, pack, fill]): Step =>
        (o) => {
          if (!o.connected.has(peer)) return;
          const masks = masksFor(pack, fill);
          o.shows.set(`${peer} ${pack.id}`, masks.slice());
          o.say({ kind: 'peerHas', peer, pack: pack.id, masks });
        },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(packArb, fc.nat(20), fc.boolean()).map(
      ([pack, fill, covered]): Step =>
        (o, fetch) => {
          const need = masksFor(pack, fill);
          const known = o.need.get(pack.id) ?? emptyMasks(pack.pieceCount);
          o.need.set(
            pack.id,
            known.map((mask, piece) => mask | (need[piece] ?? 0)),
          );
          o.open.add(fetch);
          const cover = covered ? fullMasks(pack) : undefined;
          o.say({
            kind: 'fetch',
            fetch,
            giveUpMs: 60_000,
            wants: [{ descriptor: pack, need, have: emptyMasks(pack.pieceCount), cover }],
          });
        },
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(30), fc.constantFrom('good', 'good', 'busy', 'absent', 'bad', 'error' as const)).map(
      ([index, outcome]): Step =>
        (o) => {
          const request = [...o.live.keys()][index];
          if (request !== undefined) o.answer(request, outcome as 'good');
        },
    ),
  },
  {
    weight: 4,
    arbitrary: fc.nat(30).map(
      (index): Step =>
        (o) => {
          const request = [...o.landing.keys()][index];
          if (request !== undefined) o.land(request);
        },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(5).map(
      (index): Step =>
        (o) => {
          const [request] = [...o.asks.keys()].slice(index % 2);
          if (request === undefined) return;
          o.asks.delete(request);
          o.say({ kind: 'dry', request, lacking: [] });
        },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 2500 }).map(
      (ms): Step =>
        (o) => {
          o.nowMs += ms;
          o.say({ kind: 'tick' });
        },
    ),
  },
);

describe('the fetch scheduler, whatever happens', () => {
  test('asks only for needed chunks, of those who show them, once or hedged, within its window', () => {
    fc.assert(
      fc.property(fc.array(stepArb, { minLength: 20, maxLength: 150, size: 'max' }), (steps) => {
        const observer = new Observer();
        for (const [index, step] of steps.entries()) step(observer, index);
      }),
      { numRuns: 300 },
    );
  });
});
