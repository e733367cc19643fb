import { createSeededRandom } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import type { FetchWant } from '../../src/scheduler/fetch-events.ts';
import { createFetchScheduler } from '../../src/scheduler/fetch-scheduler.ts';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import { schedulerDefaults } from '../../src/scheduler/scheduler-options.ts';
import type { SchedulerOptions } from '../../src/scheduler/scheduler-options.ts';
import { A, B, SEEDER, all, create, none, oneByOne, pack } from './driver.ts';
import { peerId } from './packs.ts';

describe('the last resort', () => {
  test('is not read while a seeder may give the piece', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.want(all, 0, { cover: all });
    for (let nowMs = 0; nowMs < 20_000; nowMs += 100) {
      scheduler.say({ kind: 'tick' }, nowMs);
      for (const { request } of scheduler.take('ask')) scheduler.say({ kind: 'dry', request, lacking: [] }, nowMs);
    }
    expect(scheduler.take('readLastResort')).toEqual([]);
  });

  test('is read when a seeder says for ever that it has given everything away, and nobody shows it', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.want(all, 0, { cover: all });
    let firstReadMs: number | undefined;
    for (let nowMs = 0; nowMs < 40_000; nowMs += 100) {
      scheduler.say({ kind: 'tick' }, nowMs);
      for (const { request } of scheduler.take('ask')) scheduler.say({ kind: 'dry', request, lacking: [] }, nowMs);
      if (scheduler.take('readLastResort').length > 0) firstReadMs ??= nowMs;
    }
    const { fruitlessMs, seederPatienceMs } = schedulerDefaults;
    expect(firstReadMs).toBeGreaterThanOrEqual(fruitlessMs);
    expect(firstReadMs).toBeLessThan(fruitlessMs + seederPatienceMs + 500);
  });

  test('is read for exactly what the seeder says it does not hold', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.want(all, 0, { cover: all });
    const lacking = none.slice();
    lacking[4] = 0b0110;
    const [ask] = scheduler.take('ask');
    scheduler.say({ kind: 'dry', request: ask?.request ?? 0, lacking: [{ pack: pack.id, masks: lacking }] }, 1);
    scheduler.pass(1, 1000);
    expect(scheduler.take('readLastResort')).toMatchObject([{ pieces: [{ piece: 4, mask: 0b0110 }] }]);
  });

  test('is read by one alone, run after run, each piece once, after a moment of listening', () => {
    const scheduler = create({ leaseRunBytes: 4 * 4 * 65536 });
    scheduler.want(all, 0, { cover: all });
    scheduler.pass(0, schedulerDefaults.leaseGraceMs - 1);
    expect(scheduler.take('readLastResort')).toEqual([]);
    const read: number[] = [];
    for (let nowMs = 300; nowMs < 3000; nowMs += 10) {
      scheduler.say({ kind: 'tick' }, nowMs);
      const reads = scheduler.take('readLastResort');
      expect(reads.length).toBeLessThanOrEqual(schedulerDefaults.leaseReads);
      for (const { pieces } of reads) {
        const [first] = pieces;
        expect(pieces.map(({ piece }) => piece)).toEqual([0, 1, 2, 3].map((i) => (first?.piece ?? -1) + i));
        expect((first?.piece ?? -1) % 4).toBe(0);
        for (const piece of pieces) {
          read.push(piece.piece);
          scheduler.arrive(piece, nowMs);
        }
      }
    }
    expect(read.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, piece) => piece));
    expect(scheduler.take('done')).toHaveLength(1);
    expect(scheduler.load()).toMatchObject({ fetches: 0, packs: 0, landing: 0 });
  });

  test('is divided among the members that want the pack: each piece has one first reader', () => {
    const members = ['m', 'n', 'o'].map(peerId);
    const readBy = members.map((self) => {
      const scheduler = createFetchScheduler({ self, random: createSeededRandom(1) }, oneByOne);
      const wanters = members.filter((other) => other !== self);
      const known = { shown: [], elsewhere: none, wanters };
      scheduler.handle(
        {
          kind: 'fetch',
          fetch: 1,
          giveUpMs: 60_000,
          wants: [{ descriptor: pack, need: all, have: none, cover: all, known }],
        },
        0,
      );
      const actions = scheduler.handle({ kind: 'tick' }, schedulerDefaults.leaseGraceMs);
      return actions.flatMap((action) =>
        action.kind === 'readLastResort' ? action.pieces.map(({ piece }) => piece) : [],
      );
    });
    expect(readBy.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, piece) => piece));
    for (const pieces of readBy) expect(pieces.length).toBeGreaterThan(0);
  });

  test('passes to the second in rank when the first shows nothing for two seconds', () => {
    const scheduler = create(oneByOne);
    scheduler.want(all, 0, { cover: all, known: { shown: [], elsewhere: none, wanters: [B] } });
    const { leaseGraceMs, leaseRankMs } = schedulerDefaults;
    scheduler.pass(0, leaseGraceMs + 50);
    const reads = scheduler.take('readLastResort');
    const own = reads.length;
    expect(own).toBeGreaterThan(0);
    expect(own).toBeLessThan(20);
    for (const { pieces } of reads) for (const piece of pieces) scheduler.arrive(piece, leaseGraceMs + 50);
    scheduler.pass(leaseGraceMs + 50, 2 * leaseGraceMs + leaseRankMs + 60);
    expect(scheduler.take('readLastResort').length).toBe(20 - own);
  });

  test('does not pass on while the first in rank is getting on', () => {
    const scheduler = create(oneByOne);
    scheduler.say({ kind: 'peerJoined', peer: B, role: 'node' }, 0);
    scheduler.want(all, 0, { cover: all, known: { shown: [], elsewhere: none, wanters: [B] } });
    const shown = none.slice();
    const own = new Set<number>();
    for (let nowMs = 0; nowMs <= 8000; nowMs += 50) {
      scheduler.say({ kind: 'tick' }, nowMs);
      for (const action of scheduler.take('readLastResort')) for (const { piece } of action.pieces) own.add(piece);
      for (const { request } of scheduler.take('request'))
        scheduler.say({ kind: 'failed', request, reason: 'busy' }, nowMs);
      // Every second the other shows one more of its pieces.
      if (nowMs % 1000 !== 950) continue;
      const next = all.findIndex((_, piece) => !own.has(piece) && shown[piece] === 0);
      if (next >= 0) shown[next] = 0b1111;
      scheduler.say({ kind: 'peerHas', peer: B, pack: pack.id, masks: shown }, nowMs);
    }
    expect([...own].some((piece) => shown[piece] !== 0)).toBe(false);
    expect(own.size + shown.filter((mask) => mask !== 0).length).toBeLessThanOrEqual(20);
  });

  describe('in runs', () => {
    const inRuns: Partial<SchedulerOptions> = { leaseRunBytes: 4 * 4 * 65536, leaseReads: 1 };
    const { leaseGraceMs, leaseStallMs } = schedulerDefaults;
    const covered: Partial<FetchWant> = { cover: all };
    const reading = (more: Partial<FetchWant> = covered) => {
      const scheduler = create(inRuns);
      scheduler.want(all, 0, more);
      scheduler.pass(0, leaseGraceMs + 20);
      const [run] = scheduler.take('readLastResort');
      if (!run) throw new Error('nothing is read');
      return { scheduler, run, pieces: run.pieces };
    };
    type Pieces = ReturnType<typeof reading>['pieces'];
    const at = (pieces: Pieces, index: number) => pieces[index] as Pieces[number];
    const showing = (...pieces: { piece: number }[]): PieceMasks => {
      const masks = none.slice();
      for (const { piece } of pieces) masks[piece] = 0b1111;
      return masks;
    };

    test('leaves out what a peer shows, and asks the peer for that', () => {
      const shown = none.slice();
      for (let piece = 0; piece < shown.length; piece += 2) shown[piece] = 0b0011;
      const scheduler = create(inRuns);
      scheduler.peer(A, shown, 0);
      scheduler.want(all, 0, {
        cover: all,
        known: { shown: [{ peer: A, masks: shown }], elsewhere: none, wanters: [] },
      });
      scheduler.pass(0, leaseGraceMs + 20);
      const [run] = scheduler.take('readLastResort');
      expect(run?.pieces.map(({ mask }) => mask)).toEqual([0b1100, 0b1111, 0b1100, 0b1111]);
      for (const { piece, mask } of scheduler.take('request')) expect(mask & ~(shown[piece] ?? 0)).toBe(0);
    });

    test('asks no peer for a piece that is on its way, and the next run when the last piece has come', () => {
      const { scheduler, pieces } = reading();
      for (const piece of pieces.slice(0, 3)) scheduler.arrive(piece, 400);
      expect(scheduler.take('readLastResort')).toEqual([]);
      scheduler.say({ kind: 'verified', request: at(pieces, 3).request }, 410);
      const [next] = scheduler.take('readLastResort');
      expect(next?.pieces).toHaveLength(4);
      expect(next?.pieces.some(({ piece }) => pieces.some((one) => one.piece === piece))).toBe(false);
    });

    test('is broken off when a peer shows a piece that has not come yet: it is ahead, and reads the rest', () => {
      const { scheduler, run, pieces } = reading();
      scheduler.arrive(at(pieces, 0), 400);
      scheduler.peer(A, showing(at(pieces, 0)), 410);
      expect(scheduler.take('cancel')).toEqual([]);
      scheduler.say({ kind: 'peerHas', peer: A, pack: pack.id, masks: showing(at(pieces, 0), at(pieces, 1)) }, 420);
      expect(scheduler.take('cancel')).toEqual([{ kind: 'cancel', request: run.request }]);
      expect(scheduler.take('request')).toMatchObject([{ peer: A, piece: at(pieces, 1).piece }]);
      const [other] = scheduler.take('readLastResort');
      expect(other?.pieces[0]?.piece).not.toBe(at(pieces, 2).piece);
    });

    test('is broken off when a peer that stalled counts again and shows what has not come', () => {
      const { stallMs, firstParkMs } = schedulerDefaults;
      const scheduler = create({ window: 1 });
      scheduler.peer(A, all, 0);
      scheduler.want(all, 0, { cover: all, known: { shown: [{ peer: A, masks: all }], elsewhere: none, wanters: [] } });
      scheduler.pass(0, stallMs + firstParkMs - 1);
      expect(scheduler.load().parkedPeers).toEqual([A]);
      const runs = scheduler.take('readLastResort').map(({ request }) => request);
      expect(runs.length).toBeGreaterThan(0);
      scheduler.take('cancel');
      scheduler.pass(stallMs + firstParkMs - 1, stallMs + firstParkMs + 1);
      const cancelled = scheduler.take('cancel').map(({ request }) => request);
      expect(cancelled).toEqual(expect.arrayContaining(runs));
      expect(scheduler.take('request')).toMatchObject([{ peer: A }, { peer: A }]);
    });

    test('is not left to a peer that showed all it has at once: what it lacks is read', () => {
      const { scheduler, run, pieces } = reading();
      const masks = all.map((mask, piece) => (piece === at(pieces, 2).piece ? 0 : mask));
      scheduler.peer(A, masks, 400);
      expect(scheduler.take('cancel')).toEqual([{ kind: 'cancel', request: run.request }]);
      scheduler.pass(400, 420);
      expect(scheduler.take('readLastResort')).toMatchObject([{ pieces: [{ piece: at(pieces, 2).piece }] }]);
    });

    test('keeps what has come when it fails, and reads the rest later, after the other runs', () => {
      const { scheduler, run, pieces } = reading();
      scheduler.arrive(at(pieces, 0), 400);
      scheduler.say({ kind: 'failed', request: run.request, reason: 'error' }, 410);
      const read: number[][] = [];
      for (let nowMs = 410; nowMs < 5000; nowMs += 10) {
        scheduler.say({ kind: 'tick' }, nowMs);
        for (const action of scheduler.take('readLastResort')) {
          read.push(action.pieces.map(({ piece }) => piece));
          for (const piece of action.pieces) scheduler.arrive(piece, nowMs);
        }
      }
      expect(read).toHaveLength(5);
      expect(read[0]).not.toContain(at(pieces, 1).piece);
      expect(read.find((one) => one.length === 3)).toEqual(pieces.slice(1).map(({ piece }) => piece));
      expect(scheduler.take('done')).toHaveLength(1);
    });

    test('lasts as long as it brings something, and is broken off when it does not', () => {
      const { scheduler, run } = reading();
      let nowMs = 400;
      for (; nowMs < 3 * leaseStallMs; nowMs += leaseStallMs / 2) {
        scheduler.say({ kind: 'progress', request: run.request }, nowMs);
      }
      expect(scheduler.take('cancel')).toEqual([]);
      scheduler.pass(nowMs, nowMs + leaseStallMs);
      expect(scheduler.take('cancel')).toEqual([{ kind: 'cancel', request: run.request }]);
    });

    test.each([
      ['does not hold up for ever a fetch to which nothing comes', true],
      ['holds it up as long as bytes come, however slowly', false],
    ])('that waits for its turn and then hangs, again and again, %s', (_, isWaiting) => {
      const scheduler = create();
      scheduler.want(all, 0, { cover: all });
      const saidMs = new Map<number, number>();
      let nowMs = 0;
      for (; nowMs < 5 * 60_000 && scheduler.load().fetches > 0; nowMs += 100) {
        scheduler.say({ kind: 'tick' }, nowMs);
        for (const { request } of scheduler.take('readLastResort')) saidMs.set(request, nowMs + 700);
        for (const [request, atMs] of saidMs) {
          if (atMs !== nowMs) continue;
          scheduler.say({ kind: 'progress', request, isWaiting }, nowMs);
        }
      }
      expect(saidMs.size).toBeGreaterThan(1);
      expect(scheduler.take('noSource')).toHaveLength(isWaiting ? 1 : 0);
      if (isWaiting) expect(nowMs).toBeLessThan(2 * 60_000);
    });

    test('is cancelled when its fetch ends, and what came of it is still written', () => {
      const { scheduler, run, pieces } = reading();
      const { request, piece, mask } = at(pieces, 0);
      scheduler.say({ kind: 'verified', request }, 400);
      scheduler.say({ kind: 'fetchEnded', fetch: 1 }, 410);
      expect(scheduler.take('cancel')).toEqual([{ kind: 'cancel', request: run.request }]);
      expect(scheduler.load()).toMatchObject({ packs: 1, landing: 1 });
      scheduler.say({ kind: 'present', pack: pack.id, piece, mask }, 420);
      scheduler.say({ kind: 'landed', request }, 420);
      expect(scheduler.load()).toMatchObject({ packs: 0, landing: 0 });
    });

    test('is read by the first in line although another shows single pieces of it, once that one is silent', () => {
      const scheduler = create(inRuns);
      scheduler.say({ kind: 'peerJoined', peer: A, role: 'node' }, 0);
      scheduler.want(all, 0, covered);
      scheduler.pass(0, leaseGraceMs - 50);
      scheduler.say({ kind: 'peerHas', peer: A, pack: pack.id, masks: showing({ piece: 0 }) }, leaseGraceMs - 10);
      scheduler.pass(leaseGraceMs - 10, leaseGraceMs + 20);
      const [first] = scheduler.take('readLastResort');
      expect(first?.pieces[0]?.piece).toBeGreaterThan(3);
      const readAtMs = new Map<number, number>();
      for (const piece of first?.pieces ?? []) scheduler.arrive(piece, 330);
      for (const request of scheduler.take('request')) scheduler.arrive(request, 330);
      for (let nowMs = 340; nowMs < 4000; nowMs += 10) {
        scheduler.say({ kind: 'tick' }, nowMs);
        for (const { pieces } of scheduler.take('readLastResort')) {
          for (const piece of pieces) {
            readAtMs.set(piece.piece, nowMs);
            scheduler.arrive(piece, nowMs);
          }
        }
      }
      expect(readAtMs.get(1)).toBeGreaterThanOrEqual(leaseGraceMs - 10 + schedulerDefaults.leaseRankMs);
      expect(readAtMs.get(1)).toBeLessThan(leaseGraceMs + 60 + schedulerDefaults.leaseRankMs);
      expect(readAtMs.has(0)).toBe(false);
    });
  });

  test('is not read while nothing is allowed, and what would be read is told', () => {
    const scheduler = create();
    scheduler.say({ kind: 'originAllowance', bytesPerSecond: 0, reads: 0, keepReads: 0 }, 0);
    scheduler.want(all, 0, { cover: all });
    scheduler.pass(0, 1000);
    expect(scheduler.take('readLastResort')).toEqual([]);
    expect(scheduler.take('originDemand')).toEqual([
      { kind: 'originDemand', wantsReads: schedulerDefaults.leaseReads, heldReads: 0 },
    ]);
    scheduler.say({ kind: 'originAllowance', bytesPerSecond: 1, reads: 1, keepReads: 1 }, 1010);
    expect(scheduler.take('readLastResort')).toHaveLength(1);
    expect(scheduler.take('originDemand').at(-1)).toMatchObject({ heldReads: 1 });
  });

  test('what is under way goes on without an allowance for more, and is broken off without one to keep it', () => {
    const scheduler = create();
    scheduler.want(all, 0, { cover: all });
    scheduler.pass(0, 1000);
    const [read] = scheduler.take('readLastResort');
    scheduler.take('cancel');
    scheduler.say({ kind: 'originAllowance', bytesPerSecond: 0, reads: 0, keepReads: 1 }, 1010);
    expect(scheduler.take('cancel')).toEqual([]);
    scheduler.say({ kind: 'originAllowance', bytesPerSecond: 0, reads: 0, keepReads: 0 }, 1020);
    expect(scheduler.take('cancel')).toEqual([{ kind: 'cancel', request: read?.request }]);
  });

  test('rests after a failed read, and longer each time', () => {
    const scheduler = create();
    scheduler.want(all, 0, { cover: all });
    const reads: number[] = [];
    for (let nowMs = 0; nowMs < 20_000; nowMs += 10) {
      scheduler.say({ kind: 'tick' }, nowMs);
      for (const { request } of scheduler.take('readLastResort')) {
        reads.push(nowMs);
        scheduler.say({ kind: 'failed', request, reason: 'error' }, nowMs);
      }
    }
    expect(reads.length).toBeLessThan(12);
  });

  test('is left alone for longer while a seeder is known that is not connected', () => {
    const scheduler = create();
    scheduler.say({ kind: 'seeders', count: 1 }, 0);
    scheduler.want(all, 0, { cover: all });
    scheduler.pass(0, schedulerDefaults.seederPatienceMs - 60);
    expect(scheduler.take('readLastResort')).toEqual([]);
    scheduler.pass(schedulerDefaults.seederPatienceMs - 60, schedulerDefaults.seederPatienceMs + 200);
    expect(scheduler.take('readLastResort').length).toBeGreaterThan(0);
  });
});
