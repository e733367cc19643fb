// Several nodes without a seeder, each with the production scheduler, and an origin: who reads which run, and what happens when a reader fails.
import { createSeededRandom } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import type { FetchAction, FetchEvent } from '../../src/scheduler/fetch-events.ts';
import { createFetchScheduler } from '../../src/scheduler/fetch-scheduler.ts';
import type { FetchScheduler } from '../../src/scheduler/fetch-scheduler.ts';
import { emptyMasks, fullMasks } from '../../src/scheduler/piece-masks.ts';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import type { SchedulerOptions } from '../../src/scheduler/scheduler-options.ts';
import { schedulerDefaults } from '../../src/scheduler/scheduler-options.ts';
import { peerId, somePack } from './packs.ts';

const pack = somePack(160, 3); // 40 pieces of 4 chunks
const all = fullMasks(pack);
const RUN_PIECES = 4;
const RUNS = 10;
/** Few at once: what a reader has begun when it dies is read again, and that is bounded here. */
const options: Partial<SchedulerOptions> = { leaseRunBytes: RUN_PIECES * 4 * 65536, leaseReads: 2 };

/** `dies` and `stalls`: when it should read its so-manieth piece. Who stalls goes on serving; who dies leaves some time later. */
type Fault = { readonly kind: 'none' } | { readonly kind: 'dies' | 'stalls' | 'errs'; readonly atPiece: number };

interface Host {
  readonly id: PeerId;
  readonly scheduler: FetchScheduler;
  readonly has: PieceMasks;
  readonly fault: Fault;
  readonly cancelled: Set<number>;
  wokenForMs: number;
  reads: number;
  isAlive: boolean;
  isDone: boolean;
}

interface Outcome {
  readonly hosts: readonly Host[];
  /** Per piece: how often it came from the origin. */
  readonly readCounts: readonly number[];
  readonly ranges: number;
  readonly mostRunsAtOnce: number;
  readonly endMs: number;
}

interface StormChoice {
  readonly faults: readonly Fault[];
  readonly seed: number;
  readonly pieceMs: number;
  readonly scheduler?: Partial<SchedulerOptions>;
}

function runStorm({ faults, seed, pieceMs, scheduler: chosen }: StormChoice): Outcome {
  const random = createSeededRandom(seed);
  const ids = faults.map((_, i) => peerId(`node-${i}-${seed}`));
  const hosts = faults.map((fault, i): Host => {
    const deps = { self: ids[i] as PeerId, random: createSeededRandom(seed + i) };
    const scheduler = createFetchScheduler(deps, { ...options, ...chosen });
    const has = emptyMasks(pack.pieceCount);
    return {
      id: deps.self,
      scheduler,
      has,
      fault,
      cancelled: new Set(),
      wokenForMs: Infinity,
      reads: 0,
      isAlive: true,
      isDone: false,
    };
  });
  const readCounts = Array.from(all, () => 0);
  let [nowMs, order, ranges, reading, mostRunsAtOnce] = [0, 0, 0, 0, 0];
  const agenda: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  const after = (delayMs: number, run: () => void): void => {
    agenda.push({ atMs: nowMs + delayMs, order: (order += 1), run });
  };
  const others = (host: Host): Host[] => hosts.filter((other) => other !== host && other.isAlive);

  const say = (host: Host, event: FetchEvent): void => {
    if (!host.isAlive) return;
    for (const action of host.scheduler.handle(event, nowMs)) perform(host, action);
    const wakeAtMs = host.scheduler.wakeAtMs();
    if (wakeAtMs === undefined || host.wokenForMs <= wakeAtMs) return;
    host.wokenForMs = wakeAtMs;
    after(wakeAtMs - nowMs, () => {
      if (host.wokenForMs !== wakeAtMs) return;
      host.wokenForMs = Infinity;
      say(host, { kind: 'tick' });
    });
  };
  const arrive = (host: Host, request: number, piece: number): void => {
    say(host, { kind: 'verified', request });
    host.has[piece] = all[piece] ?? 0;
    say(host, { kind: 'present', pack: pack.id, piece, mask: all[piece] ?? 0 });
    say(host, { kind: 'landed', request });
    for (const other of others(host)) {
      after(5 + 20 * random.next(), () => {
        if (host.isAlive) say(other, { kind: 'peerHas', peer: host.id, pack: pack.id, masks: host.has.slice() });
      });
    }
  };
  const die = (host: Host): void => {
    host.isAlive = false;
    // Nobody notices at once.
    for (const other of others(host)) after(1500, () => say(other, { kind: 'peerLeft', peer: host.id }));
  };
  const read = (host: Host, action: FetchAction & { kind: 'readLastResort' }, index: number): void => {
    const next = action.pieces[index];
    const isOver = !next || !host.isAlive || host.cancelled.has(action.request);
    if (isOver) return void (reading -= 1);
    const { fault } = host;
    if (fault.kind !== 'none' && host.reads >= fault.atPiece) {
      reading -= 1;
      if (fault.kind === 'dies') return die(host);
      if (fault.kind === 'errs') say(host, { kind: 'failed', request: action.request, reason: 'error' });
      return;
    }
    after(pieceMs * (0.8 + 0.4 * random.next()), () => {
      if (host.isAlive && !host.cancelled.has(action.request)) {
        host.reads += 1;
        readCounts[next.piece] = (readCounts[next.piece] ?? 0) + 1;
        arrive(host, next.request, next.piece);
      }
      read(host, action, index + 1);
    });
  };
  const perform = (host: Host, action: FetchAction): void => {
    if (action.kind === 'done') host.isDone = true;
    if (action.kind === 'noSource') throw new Error('gave up');
    if (action.kind === 'cancel') host.cancelled.add(action.request);
    if (action.kind === 'readLastResort') {
      ranges += 1;
      reading += 1;
      mostRunsAtOnce = Math.max(mostRunsAtOnce, reading);
      after(18, () => read(host, action, 0));
    }
    if (action.kind !== 'request') return;
    const { request, peer, piece } = action;
    after(10, () => {
      const giver = hosts.find(({ id }) => id === peer);
      if (host.cancelled.has(request) || !giver?.isAlive) return;
      if (giver.has[piece]) arrive(host, request, piece);
      else say(host, { kind: 'failed', request, reason: 'absent' });
    });
  };

  for (const host of hosts) {
    for (const other of others(host)) say(host, { kind: 'peerJoined', peer: other.id, role: 'node' });
    const known = { shown: [], elsewhere: emptyMasks(40), wanters: ids.filter((id) => id !== host.id) };
    const want = { descriptor: pack, need: all, have: emptyMasks(40), cover: all, known };
    say(host, { kind: 'fetch', fetch: 1, giveUpMs: 120_000, wants: [want] });
  }
  while (hosts.some((host) => host.isAlive && !host.isDone)) {
    agenda.sort((a, b) => b.atMs - a.atMs || b.order - a.order);
    const next = agenda.pop();
    if (!next) throw new Error('nothing will ever happen, and some have not finished');
    nowMs = next.atMs;
    if (nowMs > 600_000) throw new Error('not over after ten minutes');
    next.run();
  }
  return { hosts, readCounts, ranges, mostRunsAtOnce, endMs: nowMs };
}

const NONE: Fault = { kind: 'none' };
const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

describe('runs from the last resort', () => {
  test('have one reader each, whoever the nodes are and however fast the origin is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.nat(10_000),
        fc.constantFrom(2, 50, 800),
        (count, seed, pieceMs) => {
          const { readCounts, ranges } = runStorm({ faults: Array(count).fill(NONE), seed, pieceMs });
          expect(readCounts).toEqual(Array(40).fill(1));
          // Who is overtaken by another breaks off, and the rest is one read more.
          expect(ranges).toBeLessThanOrEqual(RUNS + 1);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('are read in the end whichever readers die, stall or fail, and hardly twice', () => {
    const faultArb = fc.oneof(
      { weight: 2, arbitrary: fc.constant(NONE) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constantFrom('dies' as const, 'stalls' as const, 'errs' as const),
          atPiece: fc.nat(10),
        }),
      },
    );
    fc.assert(
      fc.property(
        fc.array(faultArb, { minLength: 1, maxLength: 5 }),
        fc.nat(10_000),
        fc.constantFrom(2, 50),
        (some, seed, pieceMs) => {
          const { hosts, readCounts } = runStorm({ faults: [NONE, ...some], seed, pieceMs });
          for (const host of hosts) expect(host.isDone || !host.isAlive).toBe(true);
          expect(Math.min(...readCounts)).toBeGreaterThanOrEqual(1);
          const faulty = some.filter(({ kind }) => kind !== 'none').length;
          // What a dead reader alone had, and a run that two took over at the same moment.
          expect(sum(readCounts)).toBeLessThanOrEqual(40 + faulty * 2 * RUN_PIECES);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('begin only as far as the frontier beyond what is known', () => {
    for (const leaseFrontier of [1, 2, 4]) {
      const storm = { faults: Array(8).fill(NONE), seed: 5, pieceMs: 40, scheduler: { leaseFrontier } };
      const { readCounts, mostRunsAtOnce } = runStorm(storm);
      expect(readCounts).toEqual(Array(40).fill(1));
      // Counted in pieces: a run that is half read counts half.
      expect(mostRunsAtOnce).toBeLessThanOrEqual(2 * leaseFrontier + 1);
      expect(mostRunsAtOnce).toBeGreaterThanOrEqual(Math.min(leaseFrontier, 3));
    }
  });

  test('whose first reader is dead from the start are late by the patience, not by more', () => {
    const { leaseGraceMs, leaseRankMs } = schedulerDefaults;
    const faults: Fault[] = [NONE, NONE, NONE, { kind: 'dies', atPiece: 0 }];
    const { endMs, readCounts } = runStorm({ faults, seed: 9, pieceMs: 5 });
    expect(sum(readCounts)).toBe(40);
    expect(endMs).toBeLessThan(leaseGraceMs + leaseRankMs + 1500 + 1000);
  });
});
