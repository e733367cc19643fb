import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createGiftGrain } from '../../src/scheduler/gift-grain.ts';
import { emptyMasks, fullMask, fullMasks } from '../../src/scheduler/piece-masks.ts';
import { grainFor, partOf, partsOf } from '../../src/scheduler/piece-grain.ts';
import { createSeederLedger } from '../../src/scheduler/seeder-ledger.ts';
import { A, all, B, C, create, none, pack, SEEDER } from './driver.ts';
import { somePack } from './packs.ts';

const mbit = (rate: number): number => (rate * 1e6) / 8;
const large = somePack(4096, 3); // pieces of 16 chunks

describe('the grain of a piece', () => {
  test('is as many chunks as keep the link busy for a while, and all of a piece where that takes no longer', () => {
    expect(grainFor(pack, mbit(20), 2)).toBe(2);
    expect(grainFor(pack, mbit(5), 1)).toBe(1);
    expect(grainFor(large, mbit(100), 2)).toBe(8);
    expect(grainFor(pack, mbit(100), 2)).toBe(Infinity);
    expect(grainFor(large, mbit(1000), 2)).toBe(Infinity);
    expect(grainFor(pack, 0, 2)).toBe(Infinity);
  });

  test('cuts every mask into parts that make it up, at places that all nodes share', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0xffff }), fc.constantFrom(1, 2, 4, 8, 16, Infinity), (mask, chunks) => {
        const parts = partsOf(mask, chunks);
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(mask);
        const places = parts.map((part) => Math.floor((31 - Math.clz32(part & -part)) / chunks));
        expect(new Set(places).size).toBe(parts.length);
        for (const part of parts) expect(partOf(mask, chunks, part)).toBe(part);
      }),
    );
  });

  test('of gifts follows the time that a chunk takes to leave', () => {
    const grain = createGiftGrain(2);
    expect(grain.chunks).toBe(2);
    for (let i = 0; i < 50; i += 1) grain.sent(2, 840);
    expect(grain.chunks).toBe(2);
    for (let i = 0; i < 50; i += 1) grain.sent(2, 17);
    expect(grain.chunks).toBe(16);
  });
});

describe('a seeder on a slow link', () => {
  const create16 = (isPlain: boolean) => {
    const ledger = createSeederLedger({ random: createSeededRandom(1) }, { minPartChunks: 2 });
    ledger.handle({ kind: 'holds', pack: pack.id, masks: all, isPlain }, 0);
    const entries = [{ pack: pack.id, need: all, have: none }];
    return [A, B, C].map((asker, ask) =>
      ledger.handle({ kind: 'ask', ask, asker, entries, isLacking: false, distrusts: [] }, 0),
    );
  };

  test('gives parts of pieces where nothing is compressed, each chunk once', () => {
    const gifts = create16(true).flat();
    expect(gifts).toHaveLength(3);
    const given = new Set<number>();
    for (const gift of gifts) {
      if (gift.kind !== 'give') throw new Error(`not given: ${gift.kind}`);
      expect([0b0011, 0b1100]).toContain(gift.mask);
      given.add(gift.piece * 16 + gift.mask);
    }
    expect(given.size).toBe(3);
  });

  test('gives whole pieces of a pack that may have frames', () => {
    for (const gift of create16(false).flat()) {
      expect(gift).toMatchObject({ kind: 'give', mask: 0b1111 });
    }
  });

  test('gives an asker a part of what it needs, whatever others need of the piece', () => {
    const small = somePack(4, 9);
    const ledger = createSeederLedger(
      { random: createSeededRandom(1) },
      { minSlots: 1, maxSlots: 1, minPartChunks: 2 },
    );
    ledger.handle({ kind: 'holds', pack: pack.id, masks: all, isPlain: true }, 0);
    ledger.handle({ kind: 'holds', pack: small.id, masks: fullMasks(small), isPlain: true }, 0);
    const ask = (number: number, asker: typeof A, mask: number) => {
      const entries = [{ pack: small.id, need: Uint16Array.of(mask), have: emptyMasks(1) }];
      return ledger.handle({ kind: 'ask', ask: number, asker, entries, isLacking: false, distrusts: [] }, 0);
    };
    ledger.handle(
      {
        kind: 'ask',
        ask: 1,
        asker: C,
        entries: [{ pack: pack.id, need: all, have: none }],
        isLacking: false,
        distrusts: [],
      },
      0,
    );
    ask(2, A, 0b1000);
    ask(3, B, 0b1111);
    expect(ledger.handle({ kind: 'sent', ask: 1 }, 500)).toMatchObject([{ kind: 'give', ask: 2, mask: 0b1100 }]);
  });
});

describe('a receiver on a slow link', () => {
  /** 64 whole pieces and more, at 20 Mbit/s: from then on the link is known. */
  const slow = (wireBytes: number | undefined) => {
    const scheduler = create();
    const other = somePack(400, 7);
    const wants = [other, pack].map((descriptor) => ({
      descriptor,
      need: fullMasks(descriptor),
      have: emptyMasks(descriptor.pieceCount),
    }));
    scheduler.say({ kind: 'fetch', fetch: 1, giveUpMs: 60_000, wants }, 0);
    scheduler.peer(A, none, 0);
    scheduler.say({ kind: 'peerHas', peer: A, pack: other.id, masks: fullMasks(other) }, 0);
    let nowMs = 0;
    for (let arrived = 0; arrived < other.pieceCount; ) {
      for (const { request, pack: id, piece, mask } of scheduler.take('request')) {
        nowMs += 105;
        arrived += mask === fullMask(other, piece) ? 1 : 0.5;
        scheduler.say({ kind: 'verified', request, wireBytes }, nowMs);
        scheduler.say({ kind: 'present', pack: id, piece, mask }, nowMs);
        scheduler.say({ kind: 'landed', request }, nowMs);
      }
    }
    return { scheduler, nowMs };
  };

  test('asks for a part once it has seen that the pack comes plain, and for the rest besides', () => {
    const { scheduler, nowMs } = slow(undefined);
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, nowMs);
    const [ask] = scheduler.take('ask');
    const given = { pack: pack.id, piece: 0, mask: 0b0011 };
    scheduler.say({ kind: 'verified', request: ask?.request ?? 0, given }, nowMs);
    scheduler.say({ kind: 'peerHas', peer: A, pack: pack.id, masks: all }, nowMs + 1);
    const requests = scheduler.take('request');
    expect(requests.length).toBeGreaterThan(1);
    for (const { mask } of requests) expect([0b0011, 0b1100]).toContain(mask);
  });

  test('asks for whole pieces of a pack of which a frame came', () => {
    const { scheduler, nowMs } = slow(100_000);
    scheduler.say({ kind: 'peerHas', peer: A, pack: pack.id, masks: all }, nowMs + 1);
    const requests = scheduler.take('request');
    expect(requests.length).toBeGreaterThan(1);
    for (const { mask } of requests) expect(mask).toBe(0b1111);
  });
});
