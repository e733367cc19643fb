import { describe, expect, test } from 'vitest';
import type { PieceMasks } from '../../src/scheduler/piece-masks.ts';
import { schedulerDefaults } from '../../src/scheduler/scheduler-options.ts';
import { A, SEEDER, all, create, none, pack } from './driver.ts';
import { peerId } from './packs.ts';

describe('standing asks', () => {
  const known = (shown: PieceMasks) => ({ shown: [{ peer: A, masks: shown }], elsewhere: none, wanters: [] });

  test('name what nobody shows, and prove what is here', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.say({ kind: 'peerJoined', peer: A, role: 'node' }, 0);
    const [have, shown, need] = [none.slice(), none.slice(), all.slice()];
    [have[0], need[0], shown[1]] = [0b1111, 0, 0b0011];
    scheduler.want(need, 0, { have, known: known(shown) });
    const [ask, ...more] = scheduler.take('ask');
    const expected = all.slice();
    [expected[0], expected[1]] = [0, 0b1100];
    expect(ask?.entries).toEqual([{ pack: pack.id, need: expected, have }]);
    expect(more).toEqual([]);
  });

  test('are renewed when a piece has come, and what a seeder gave is asked of nobody else', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.want(all, 0);
    const [first] = scheduler.take('ask');
    scheduler.say(
      { kind: 'verified', request: first?.request ?? 0, given: { pack: pack.id, piece: 7, mask: 0b1111 } },
      10,
    );
    const [second] = scheduler.take('ask');
    expect(second?.entries[0]?.need[7]).toBe(0);
    scheduler.peer(A, all, 11);
    scheduler.pass(11, 40);
    expect(scheduler.take('request').some(({ piece }) => piece === 7)).toBe(false);
  });

  test('pause a little when the seeder is dry, and longer each time', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.want(all, 0);
    const pauses: number[] = [];
    for (let nowMs = 0, driedMs = 0; nowMs < 10_000; nowMs += 1) {
      scheduler.say({ kind: 'tick' }, nowMs);
      for (const { request } of scheduler.take('ask')) {
        pauses.push(nowMs - driedMs);
        scheduler.say({ kind: 'dry', request, lacking: [] }, nowMs);
        driedMs = nowMs;
      }
    }
    expect(pauses.slice(0, 6)).toEqual([0, 100, 200, 400, 800, 1000]);
    expect(Math.max(...pauses)).toBe(schedulerDefaults.maxDryPauseMs);
  });

  test('go at once to a seeder when a new fetch wants more, although the last one is still held', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    const [less, more] = [none.slice(), none.slice()];
    [less[0], more[1]] = [0b1111, 0b1111];
    scheduler.want(less, 0, {}, 1);
    const [first] = scheduler.take('ask');
    scheduler.want(more, 500, {}, 2);
    expect(scheduler.take('cancel')).toMatchObject([{ request: first?.request }]);
    expect(scheduler.take('ask')[0]?.entries[0]?.need.slice(0, 2)).toEqual(Uint16Array.of(0b1111, 0b1111));
  });

  test('two seeders are asked for different pieces, and one for all when the other has gone', () => {
    const scheduler = create();
    const other = peerId('t');
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.say({ kind: 'peerJoined', peer: other, role: 'seeder' }, 0);
    scheduler.want(all, 0);
    const asks = scheduler.take('ask');
    expect(asks.map(({ seeder }) => seeder)).toEqual([SEEDER, other]);
    const [one, two] = asks.map(({ entries }) => entries[0]?.need ?? none) as [PieceMasks, PieceMasks];
    expect(one.map((mask, piece) => mask | (two[piece] ?? 0))).toEqual(all);
    expect(one.map((mask, piece) => mask & (two[piece] ?? 0))).toEqual(none);
    scheduler.say({ kind: 'peerLeft', peer: other }, 1);
    scheduler.say({ kind: 'dry', request: asks[0]?.request ?? 0, lacking: [] }, 2);
    scheduler.pass(2, 200);
    expect(scheduler.take('ask')).toMatchObject([{ seeder: SEEDER, entries: [{ need: all }] }]);
  });

  test('a seeder that does not answer is asked again later, and not counted on meanwhile', () => {
    const scheduler = create();
    scheduler.say({ kind: 'peerJoined', peer: SEEDER, role: 'seeder' }, 0);
    scheduler.want(all, 0, { cover: all });
    const { askStallMs } = schedulerDefaults;
    scheduler.pass(0, 2 * askStallMs);
    expect(scheduler.take('ask')).toHaveLength(2);
    expect(scheduler.take('readLastResort')).toEqual([]);
    scheduler.pass(2 * askStallMs, 3 * askStallMs);
    expect(scheduler.take('readLastResort').length).toBeGreaterThan(0);
  });
});
