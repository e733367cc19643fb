import fc from 'fast-check';
import { createSeededRandom } from '@quarry/runtime';
import type { PackDescriptor } from '@quarry/content';
import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import { ledgerDefaults } from '../../src/scheduler/ledger-events.ts';
import type { LedgerEvent } from '../../src/scheduler/ledger-events.ts';
import { emptyMasks, fullMasks, isEmptyMasks } from '../../src/scheduler/piece-masks.ts';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import { createSeederLedger } from '../../src/scheduler/seeder-ledger.ts';
import { peerId, somePack } from './packs.ts';

const PACKS = [somePack(30, 1), somePack(9, 2)];
const ASKERS = ['a', 'b', 'c', 'd', 'e', 'f'].map(peerId);
const SLOTS = 2;

interface Sending {
  readonly asker: PeerId;
  readonly pack: string;
  readonly piece: number;
  readonly mask: number;
}

/** Askers as they behave, and the rules that hold for every answer. */
class Observer {
  readonly #ledger = createSeederLedger({ random: createSeededRandom(3) }, { minSlots: SLOTS, maxSlots: SLOTS });
  readonly asks = new Map<number, PeerId>();
  readonly sending = new Map<number, Sending>();
  readonly needs = new Map<string, PieceMasks>();
  readonly haves = new Map<string, PieceMasks>();
  readonly given = new Map<string, PieceMasks>();
  regives = 0;
  nowMs = 0;
  #nextAsk = 1;

  constructor() {
    for (const [i, pack] of PACKS.entries()) {
      this.say({ kind: 'holds', pack: pack.id, masks: fullMasks(pack), isPlain: i % 2 === 0 });
    }
  }

  say(event: LedgerEvent): void {
    for (const action of this.#ledger.handle(event, this.nowMs)) {
      const asker = this.asks.get(action.ask);
      expect(asker, 'answers each ask once').toBeDefined();
      this.asks.delete(action.ask);
      if (action.kind !== 'give' || asker === undefined) continue;
      const { pack, piece, mask } = action;
      const ever = this.given.get(pack) ?? emptyMasks(256);
      this.given.set(pack, ever);
      expect(mask, 'gives something').toBeGreaterThan(0);
      expect(mask & (this.need(asker, pack)[piece] ?? 0), 'gives what the asker needs').not.toBe(0);
      expect(action.regive !== undefined, 'says so when it gives again, and only then').toBe(
        ((ever[piece] ?? 0) & mask) !== 0,
      );
      if (action.regive !== undefined) this.regives += 1;
      ever[piece] = (ever[piece] ?? 0) | mask;
      this.sending.set(action.ask, { asker, pack, piece, mask });
    }
    expect(this.sending.size).toBeLessThanOrEqual(SLOTS);
    const { regives, serving } = this.#ledger.status();
    expect(Object.values(regives).reduce((sum, count) => sum + count, 0)).toBe(this.regives);
    expect(serving).toBe(this.sending.size);
  }

  need(asker: PeerId, pack: string): PieceMasks {
    const key = `${asker} ${pack}`;
    const known = this.needs.get(key) ?? emptyMasks(PACKS.find(({ id }) => id === pack)?.pieceCount ?? 0);
    this.needs.set(key, known);
    return known;
  }

  have(asker: PeerId, pack: string): PieceMasks {
    const key = `${asker} ${pack}`;
    const known = this.haves.get(key) ?? emptyMasks(PACKS.find(({ id }) => id === pack)?.pieceCount ?? 0);
    this.haves.set(key, known);
    return known;
  }

  ask(asker: PeerId): void {
    if ([...this.asks.values(), ...[...this.sending.values()].map((sending) => sending.asker)].includes(asker)) return;
    const ask = this.#nextAsk++;
    this.asks.set(ask, asker);
    const entries = PACKS.map(({ id }) => ({
      pack: id,
      need: this.need(asker, id).slice(),
      have: this.have(asker, id).slice(),
    }));
    this.say({ kind: 'ask', ask, asker, entries, isLacking: false, distrusts: [] });
  }

  sent(ask: number, arrived: boolean): void {
    const sending = this.sending.get(ask);
    if (!sending) return;
    this.sending.delete(ask);
    const { asker, pack, piece, mask } = sending;
    if (arrived) {
      const [need, have] = [this.need(asker, pack), this.have(asker, pack)];
      need[piece] = (need[piece] ?? 0) & ~mask;
      have[piece] = (have[piece] ?? 0) | mask;
    }
    this.say({ kind: arrived ? 'sent' : 'sendFailed', ask });
  }

  /** The asker gets from others what the seeder gave to any of them. */
  spread(asker: PeerId, pack: string): void {
    const [need, have] = [this.need(asker, pack), this.have(asker, pack)];
    for (const [piece, mask] of (this.given.get(pack) ?? []).entries()) {
      const isOnItsWay = [...this.sending.values()].some((sending) => sending.pack === pack && sending.piece === piece);
      if (isOnItsWay || piece >= need.length) continue;
      need[piece] = (need[piece] ?? 0) & ~mask;
      have[piece] = (have[piece] ?? 0) | mask;
    }
  }

  gone(asker: PeerId): void {
    for (const [ask, other] of this.asks) if (other === asker) this.asks.delete(ask);
    for (const [ask, sending] of this.sending) if (sending.asker === asker) this.sending.delete(ask);
    for (const { id } of PACKS) {
      this.needs.delete(`${asker} ${id}`);
      this.haves.delete(`${asker} ${id}`);
    }
    this.say({ kind: 'peerGone', peer: asker });
  }
}

type Step = (observer: Observer) => void;
const askerArb = fc.constantFrom(...ASKERS);
const wantArb = fc.tuple(askerArb, fc.constantFrom(...PACKS), fc.nat(20));
const ask = askerArb.map(
  (asker): Step =>
    (o) =>
      o.ask(asker),
);
const want = wantArb.map(
  ([asker, pack, fill]): Step =>
    (o) => {
      const need = o.need(asker, pack.id);
      const have = o.have(asker, pack.id);
      for (const [piece, mask] of fullMasks(pack as PackDescriptor).entries()) {
        if ((piece + fill) % 3 !== 0)
          need[piece] = (need[piece] ?? 0) | (mask & (fill % 2 ? 0x3 : 0xf) & ~(have[piece] ?? 0));
      }
    },
);
const send = fc.nat(3).map(
  (index): Step =>
    (o) => {
      const request = [...o.sending.keys()][index];
      if (request !== undefined) o.sent(request, true);
    },
);
const fail = fc.constant<Step>((o) => {
  const [request] = o.sending.keys();
  if (request !== undefined) o.sent(request, false);
});
const leave = askerArb.map(
  (asker): Step =>
    (o) =>
      o.gone(asker),
);
const wait = fc.integer({ min: 1, max: 3000 }).map(
  (ms): Step =>
    (o) => {
      o.nowMs += ms;
      o.say({ kind: 'tick' });
    },
);

const run = (steps: readonly Step[]): Observer => {
  const observer = new Observer();
  for (const step of steps) step(observer);
  return observer;
};

describe('the seeder ledger, whatever happens', () => {
  test('answers each ask once, within its slots, and says when and how often it gives again', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: ask },
      { weight: 3, arbitrary: want },
      { weight: 6, arbitrary: send },
      { weight: 1, arbitrary: fail },
      { weight: 1, arbitrary: leave },
      { weight: 2, arbitrary: wait },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 200, size: 'max' }), (steps) => void run(steps)),
      { numRuns: 300 },
    );
  });

  test('gives each chunk exactly once while nobody fails, and all that is needed', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: ask },
      { weight: 2, arbitrary: want },
      { weight: 5, arbitrary: send },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), (steps) => {
        const observer = run(steps);
        expect(observer.regives).toBe(0);
        // From now on what one was given reaches the others before they ask again, as it does in a swarm.
        const left = (): boolean =>
          ASKERS.some((asker) => PACKS.some(({ id }) => !isEmptyMasks(observer.need(asker, id))));
        for (let round = 0; round < 100 && left(); round += 1) {
          for (const request of observer.sending.keys()) observer.sent(request, true);
          for (const asker of ASKERS) {
            for (const { id } of PACKS) observer.spread(asker, id);
            observer.ask(asker);
          }
          observer.nowMs += ledgerDefaults.longPollMs;
          observer.say({ kind: 'tick' });
        }
        expect(left(), 'all that was needed was given to somebody').toBe(false);
        expect(observer.regives).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('lets nobody wait longer than the long poll', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: ask },
      { weight: 2, arbitrary: want },
      { weight: 1, arbitrary: send },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), (steps) => {
        const observer = run(steps);
        observer.nowMs += ledgerDefaults.longPollMs;
        observer.say({ kind: 'tick' });
        expect(observer.asks.size).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
