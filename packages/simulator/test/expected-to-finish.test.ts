import type { Storm, StormFault, StormHost } from '@quarry/scenario';
import { describe, expect, test } from 'vitest';
import { expectedToFinish } from '../src/expected-to-finish.ts';
import { tinyStorm } from './support/tiny-storm.ts';

const origin = tinyStorm().origin;
const whole = { pack: 0, firstChunk: 0, chunkCount: 40 };

function expected(changes: Partial<Storm> = {}): number[] {
  return [...expectedToFinish(tinyStorm(changes))];
}
const withFaults = (...faults: StormFault[]): number[] => expected({ faults });
const noSeeder = (changes: Partial<Storm>): number[] => expected({ origin: { ...origin, seeders: 0 }, ...changes });

describe('who must finish', () => {
  test('everybody, where a seeder stays', () => {
    expect(expected()).toEqual([0, 1, 2]);
  });

  test('everybody, where Glance can be read', () => {
    expect(noSeeder({ origin: { ...origin, seeders: 0, isReadable: true } })).toEqual([0, 1, 2]);
  });

  test('nobody, where nobody has the image', () => {
    expect(noSeeder({})).toEqual([]);
  });

  test('not who is killed, whether it restarts or not', () => {
    expect(withFaults({ kind: 'kill', host: 1, atMs: 50 })).toEqual([0, 2]);
    expect(
      withFaults({ kind: 'kill', host: 1, atMs: 50 }, { kind: 'restart', host: 1, atMs: 60, tornChunks: 0 }),
    ).toEqual([0, 2]);
  });

  test('who unshelves after a restart, but not who should have while dead', () => {
    const faults: StormFault[] = [
      { kind: 'kill', host: 1, atMs: 50 },
      { kind: 'restart', host: 1, atMs: 90, tornChunks: 3 },
    ];
    const at = (atMs: number): number[] => expected({ faults, unshelves: [{ host: 1, image: 0, atMs }] });
    expect([at(50), at(70), at(90)]).toEqual([[], [], [0]]);
  });

  test('not a liar', () => {
    expect(withFaults({ kind: 'lie', host: 2, atMs: 0, lie: 'falseHaves' })).toEqual([0, 1]);
  });

  test('who is cut off for a moment, but not for long or for good', () => {
    const stall = (untilMs: number): number[] => withFaults({ kind: 'stall', host: 0, atMs: 10, untilMs });
    expect([stall(15_000), stall(40_000), stall(Infinity), stall(600_000)]).toEqual([
      [0, 1, 2],
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
    const cut = (untilMs: number): number[] => withFaults({ kind: 'partition', hosts: [0, 1], atMs: 0, untilMs });
    expect([cut(15_000), cut(Infinity)]).toEqual([[0, 1, 2], [2]]);
  });

  test('not who is cut off again and again without a pause to recover in', () => {
    const cut = (atMs: number): StormFault => ({ kind: 'partition', hosts: [0], atMs, untilMs: atMs + 12_000 });
    expect(withFaults(cut(0), cut(13_000))).toEqual([1, 2]);
    expect(withFaults(cut(0), cut(40_000))).toEqual([0, 1, 2]);
  });

  test('not by a Glance that stays broken', () => {
    const glance = (untilMs: number): number[] =>
      noSeeder({
        origin: { ...origin, seeders: 0, isReadable: true },
        faults: [{ kind: 'originFails', atMs: 0, untilMs, how: 'hangs' }],
      });
    expect([glance(5000), glance(Infinity)]).toEqual([[0, 1, 2], []]);
  });

  test('not by reads that members who are lost may have taken along', () => {
    const reads = (budgetReads: number, ...faults: StormFault[]): number[] =>
      noSeeder({ origin: { ...origin, seeders: 0, isReadable: true, budgetReads }, faults });
    const killed: StormFault = { kind: 'kill', host: 0, atMs: 10 };
    const back: StormFault = { kind: 'restart', host: 0, atMs: 900, tornChunks: 0 };
    expect([reads(1), reads(1, killed), reads(1, killed, back), reads(2, killed)]).toEqual([
      [0, 1, 2],
      [],
      [1, 2],
      [1, 2],
    ]);
    const cut: StormFault = { kind: 'partition', hosts: [1, 2], atMs: 0, untilMs: Infinity };
    expect([reads(2, cut), reads(3, cut), reads(Infinity, cut)]).toEqual([[], [0], [0]]);
  });

  test('not by seeders that die, but by ones that leave in order when at most two holders are lost after', () => {
    const leave = (isOrderly: boolean, atMs = 100): StormFault => ({ kind: 'seedersLeave', isOrderly, atMs });
    expect(withFaults(leave(false))).toEqual([]);
    expect(withFaults(leave(true))).toEqual([0, 1, 2]);
    expect(withFaults(leave(true), { kind: 'kill', host: 0, atMs: 200 })).toEqual([1, 2]);
    expect(
      withFaults(
        leave(true),
        { kind: 'kill', host: 0, atMs: 200 },
        { kind: 'lie', host: 1, atMs: 0, lie: 'badChunks' },
      ),
    ).toEqual([2]);
    const three = [0, 1, 3].map((host): StormFault => ({ kind: 'kill', host, atMs: 200 }));
    const hosts = Array.from({ length: 5 }, () => tinyStorm().hosts[0] as StormHost);
    expect(expected({ hosts, faults: [leave(true), ...three.slice(1)] })).toEqual([0, 2]);
    expect(expected({ hosts, faults: [leave(true), ...three] })).toEqual([]);
    expect(expected({ faults: [leave(true)], unshelves: [{ host: 0, image: 0, atMs: 100 }] })).toEqual([]);
  });

  test('by a holder of all of it, or several of its parts, that stays or comes back whole', () => {
    const unshelves = [{ host: 0, image: 0, atMs: 0 }];
    const holdings = [
      { host: 1, run: { pack: 0, firstChunk: 0, chunkCount: 25 } },
      { host: 2, run: { pack: 0, firstChunk: 20, chunkCount: 20 } },
    ];
    const held = (...faults: StormFault[]): number[] => noSeeder({ unshelves, holdings, faults });
    expect(held()).toEqual([0]);
    expect(noSeeder({ unshelves, holdings: holdings.slice(1) })).toEqual([]);
    expect(held({ kind: 'kill', host: 1, atMs: 5 })).toEqual([]);
    const restart = (tornChunks: number): StormFault => ({ kind: 'restart', host: 1, atMs: 5000, tornChunks });
    expect(held({ kind: 'kill', host: 1, atMs: 5 }, restart(0))).toEqual([0]);
    expect(held({ kind: 'kill', host: 1, atMs: 5 }, restart(2))).toEqual([]);
    expect(held({ kind: 'lie', host: 2, atMs: 5, lie: 'badChunks' })).toEqual([]);
    expect(held({ kind: 'partition', hosts: [0, 1], atMs: 5, untilMs: Infinity })).toEqual([]);
    expect(held({ kind: 'partition', hosts: [0, 1, 2], atMs: 5, untilMs: Infinity })).toEqual([0]);
  });

  test('by what it holds itself, and by what somebody shelves in time', () => {
    const unshelves = [{ host: 0, image: 0, atMs: 10 }];
    expect(noSeeder({ unshelves, holdings: [{ host: 0, run: whole }] })).toEqual([0]);
    const shelved = (host: number, atMs: number): number[] =>
      noSeeder({ unshelves, shelves: [{ host, image: 0, atMs }] });
    expect([shelved(1, 5000), shelved(1, 50_000), shelved(0, 5), shelved(0, 5000)]).toEqual([[0], [], [0], []]);
  });
});
