import { describe, expect, test } from 'vitest';
import { schedulerDefaults } from '../../src/scheduler/scheduler-options.ts';
import { A, B, SEEDER, all, create, none, pack } from './driver.ts';
import type { Of } from './driver.ts';

describe('what does not move', () => {
  test('is asked of a second peer after the hedge time, and the slower one is cancelled', () => {
    const scheduler = create({ window: 1 });
    const need = none.slice();
    need[5] = 0b1111;
    scheduler.want(need, 0);
    scheduler.peer(A, all, 0);
    const [first] = scheduler.take('request');
    scheduler.peer(B, all, 1);
    scheduler.pass(1, 199);
    expect(scheduler.take('request')).toEqual([]);
    scheduler.pass(199, schedulerDefaults.maxHedgeMs);
    const [second, ...more] = scheduler.take('request');
    expect(second).toMatchObject({ peer: B, piece: 5, mask: 0b1111, isHedge: true });
    expect(more).toEqual([]);
    scheduler.arrive(second as Of<'request'>, 1000);
    expect(scheduler.take('cancel')).toEqual([{ kind: 'cancel', request: first?.request }]);
    expect(scheduler.take('done')).toHaveLength(1);
  });

  test('is given as long as pieces take here before a second peer is asked: on a slow link they wait for their turn', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    let nowMs = 0;
    for (let i = 0; i < 12; i += 1) {
      const [request] = scheduler.take('request');
      for (const untilMs = nowMs + 600; nowMs < untilMs; nowMs += 50) {
        scheduler.say({ kind: 'progress', request: request?.request ?? 0 }, nowMs);
      }
      scheduler.arrive(request as Of<'request'>, nowMs);
    }
    scheduler.take('request');
    scheduler.peer(B, all, nowMs);
    scheduler.pass(nowMs, nowMs + 1100);
    expect(scheduler.take('request')).toEqual([]);
    scheduler.pass(nowMs + 1100, nowMs + 1600);
    expect(scheduler.take('request')).toMatchObject([{ peer: B, isHedge: true }]);
  });

  test('but what moves slowly is not hedged', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    const [first] = scheduler.take('request');
    scheduler.peer(B, all, 1);
    for (let nowMs = 50; nowMs < 5000; nowMs += 50) {
      scheduler.say({ kind: 'progress', request: first?.request ?? 0 }, nowMs);
    }
    expect(scheduler.take('request')).toEqual([]);
    expect(scheduler.take('cancel')).toEqual([]);
  });

  test('is broken off after the stall time, and its peer left alone for longer each time', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    scheduler.pass(0, schedulerDefaults.stallMs);
    expect(scheduler.take('request')).toHaveLength(1);
    expect(scheduler.take('cancel')).toHaveLength(1);
    expect(scheduler.load().parkedPeers).toEqual([A]);
    const { stallMs, firstParkMs } = schedulerDefaults;
    scheduler.pass(stallMs, stallMs + firstParkMs - 1);
    expect(scheduler.take('request')).toEqual([]);
    scheduler.pass(stallMs + firstParkMs - 1, stallMs + firstParkMs);
    expect(scheduler.take('request')).toHaveLength(1);
    const againMs = stallMs + firstParkMs;
    scheduler.pass(againMs, againMs + stallMs + 2 * firstParkMs - 1);
    expect(scheduler.take('request')).toEqual([]);
  });

  test('the share of a stalled peer does not count as shown: the seeder is asked for it', () => {
    const scheduler = create({ window: 1 });
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.peer(A, all, 0);
    scheduler.want(all, 0, { known: { shown: [{ peer: A, masks: all }], elsewhere: none, wanters: [] } });
    expect(scheduler.take('ask')).toEqual([]);
    scheduler.pass(0, schedulerDefaults.stallMs);
    expect(scheduler.take('ask')).toMatchObject([{ seeder: SEEDER, entries: [{ need: all }] }]);
  });

  test('is excused when it was this host that stood still', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    scheduler.take('request');
    scheduler.say({ kind: 'heldUp', ms: 4900 }, 5000);
    expect(scheduler.take('cancel')).toEqual([]);
    scheduler.pass(5000, 5000 + schedulerDefaults.stallMs);
    expect(scheduler.take('cancel')).toHaveLength(1);
  });

  test('a peer that only ever says busy counts as stalled after a while', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    for (let nowMs = 0; nowMs < 1.2 * schedulerDefaults.busyStallMs; nowMs += 20) {
      scheduler.say({ kind: 'tick' }, nowMs);
      for (const { request } of scheduler.take('request')) {
        scheduler.say({ kind: 'failed', request, reason: 'busy', queueLength: 2 }, nowMs);
      }
    }
    expect(scheduler.load().parkedPeers).toEqual([A]);
  });

  test('and when nothing comes at all, the fetch is given up in time and says what is missing', () => {
    const scheduler = create();
    scheduler.want(all, 0);
    scheduler.pass(0, 59_999);
    expect(scheduler.take('noSource')).toEqual([]);
    scheduler.pass(59_999, 60_000);
    const [given] = scheduler.take('noSource');
    expect(given).toMatchObject({ fetch: 1, missingChunks: 80 });
    expect(given?.missing[0]).toEqual({ pack: pack.id, piece: 0, mask: 0b1111 });
    expect(scheduler.load()).toMatchObject({ fetches: 0, packs: 0 });
  });
});

describe('peers that say what is not so', () => {
  test('a peer that sent a bad chunk is banned, and what was asked of it is asked of others', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    const [request] = scheduler.take('request');
    scheduler.peer(B, all, 0);
    scheduler.say({ kind: 'failed', request: request?.request ?? 0, reason: 'bad' }, 10);
    expect(scheduler.take('ban')).toMatchObject([{ peer: A }]);
    expect(scheduler.take('request')).toMatchObject([{ peer: B }]);
  });

  test('a peer that has not what it showed is believed no more, for the pack and then at all, also when it comes back', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    let lies = 0;
    for (let nowMs = 1; nowMs < 50; nowMs += 1) {
      for (const { request } of scheduler.take('request')) {
        lies += 1;
        scheduler.say({ kind: 'failed', request, reason: 'absent' }, nowMs);
      }
      scheduler.say({ kind: 'peerHas', peer: A, pack: pack.id, masks: all }, nowMs);
    }
    expect(lies).toBe(schedulerDefaults.maxFalseHavesPerPack);
    scheduler.say({ kind: 'peerLeft', peer: A }, 60);
    scheduler.peer(A, all, 61);
    expect(scheduler.take('request')).toEqual([]);
  });

  test('a few false words among many true ones are forgiven', () => {
    const scheduler = create({ window: 1 });
    scheduler.want(all, 0);
    scheduler.peer(A, all, 0);
    for (let nowMs = 1, turn = 0; turn < 20; nowMs += 1, turn += 1) {
      for (const request of scheduler.take('request')) {
        if (turn % 4 === 0) scheduler.say({ kind: 'failed', request: request.request, reason: 'absent' }, nowMs);
        else scheduler.arrive(request, nowMs);
      }
    }
    scheduler.say({ kind: 'peerHas', peer: A, pack: pack.id, masks: all }, 30);
    expect(scheduler.take('request')).toHaveLength(1);
  });
});
