import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDialPlan } from '../../src/membership/dial-plan.ts';
import { createMemberTable } from '../../src/membership/member-table.ts';
import { dialsFirst, neighboursOf } from '../../src/membership/neighbours.ts';
import type { Neighbour } from '../../src/membership/neighbours.ts';
import type { PeerId } from '../../src/ports/network.ts';
import type { MemberRecord } from '../../src/protocol/member-record.ts';

const node = (name: string): Neighbour => ({ peer: name as PeerId, role: 'node' });
const seeder = (name: string): Neighbour => ({ peer: name as PeerId, role: 'seeder' });
const record = (name: string, sequence: number, more: Partial<MemberRecord> = {}): MemberRecord => ({
  peer: name as PeerId,
  role: 'node',
  zone: '',
  addresses: [],
  sequence,
  sentAtMs: 0,
  ttlMs: 1000,
  ...more,
});

describe('the member table', () => {
  const create = (maxMembers = 100) => createMemberTable({ self: 'self' as PeerId, maxMembers });

  test('knows a member from its first word until it has been silent for its time', () => {
    const table = create();
    expect(table.hear(record('a', 1), 0)).toBe('joined');
    expect(table.hear(record('a', 2), 900)).toBe('renewed');
    expect(table.expire(1899)).toEqual([]);
    expect(table.expire(1900)).toEqual(['a']);
    expect(table.size).toBe(0);
  });

  test('believes no older word than the last, and none about itself', () => {
    const table = create();
    table.hear(record('a', 5), 0);
    expect(table.hear(record('a', 5), 1)).toBe('stale');
    expect(table.hear(record('a', 4, { ttlMs: 0 }), 1)).toBe('stale');
    expect(table.hear(record('self', 9), 1)).toBe('stale');
    expect(table.size).toBe(1);
  });

  test('forgets at once who says goodbye, whatever arrives late, until it comes back', () => {
    const table = create();
    table.hear(record('a', 5), 0);
    expect(table.hear(record('a', 7, { ttlMs: 0 }), 1)).toBe('left');
    expect(table.hear(record('a', 6), 2)).toBe('stale');
    expect(table.hear(record('a', 8), 3)).toBe('joined');
  });

  test('is bounded', () => {
    const table = create(2);
    for (const [i, name] of ['a', 'b', 'c'].entries()) table.hear(record(name, i), 0);
    expect(table.size).toBe(2);
  });
});

describe('the neighbour graph', () => {
  const names = (count: number): Neighbour[] => Array.from({ length: count }, (_, i) => node(`member-${i * 7919}`));
  const graphOf = (members: readonly Neighbour[], targetDegree: number): Map<PeerId, Set<PeerId>> =>
    new Map(
      members.map((self) => {
        const others = members.filter((other) => other !== self);
        return [self.peer, new Set(neighboursOf(self, others, { targetDegree }))];
      }),
    );

  test('is complete while there are few', () => {
    for (const neighbours of graphOf(names(25), 24).values()) expect(neighbours.size).toBe(24);
  });

  test('is mutual, near-regular and connected when there are many', () => {
    const members = names(200);
    const graph = graphOf(members, 24);
    for (const [peer, neighbours] of graph) {
      expect(neighbours.size).toBeGreaterThanOrEqual(18);
      expect(neighbours.size).toBeLessThanOrEqual(24);
      for (const other of neighbours) expect(graph.get(other)?.has(peer)).toBe(true);
    }
    // Everybody is within three steps of everybody: gossip and pieces spread fast.
    let reached = new Set<PeerId>([members[0]?.peer as PeerId]);
    for (let step = 0; step < 3; step += 1) {
      reached = new Set([...reached].flatMap((peer) => [peer, ...(graph.get(peer) ?? [])]));
    }
    expect(reached.size).toBe(200);
  });

  test('moves few links when one comes', () => {
    const before = graphOf(names(100), 24);
    const after = graphOf(names(101), 24);
    let moved = 0;
    for (const [peer, neighbours] of before)
      for (const other of neighbours) if (!after.get(peer)?.has(other)) moved += 1;
    expect(moved).toBeLessThanOrEqual(24); // both ends of one link for each of twelve rings
  });

  test('every node is a neighbour of every seeder, and seeders wait to be dialled', () => {
    const members = [...names(100), seeder('s'), seeder('t')];
    for (const self of members) {
      const neighbours = neighboursOf(
        self,
        members.filter((other) => other !== self),
        { targetDegree: 8 },
      );
      if (self.role === 'seeder') expect(neighbours).toEqual([]);
      else expect(neighbours).toEqual(expect.arrayContaining(['s', 't']));
    }
  });

  test('of two exactly one dials first, and each node about as often as not', () => {
    const members = names(60);
    let firsts = 0;
    for (const one of members) {
      for (const other of members) {
        if (one === other) continue;
        expect(dialsFirst(one, other)).not.toBe(dialsFirst(other, one));
        if (one === members[0] && dialsFirst(one, other)) firsts += 1;
      }
    }
    expect(firsts).toBeGreaterThan(15);
    expect(firsts).toBeLessThan(45);
    expect(dialsFirst(node('a'), seeder('s'))).toBe(true);
  });
});

describe('the dial plan', () => {
  const options = { concurrentDials: 2, yieldMs: 100, firstPauseMs: 50, maxPauseMs: 200 };
  const first = ['m', 'n', 'o', 'p', 'q', 'r'].map(node).find((other) => dialsFirst(node('a'), other)) as Neighbour;
  const second = ['m', 'n', 'o', 'p', 'q', 'r'].map(node).find((other) => !dialsFirst(node('a'), other)) as Neighbour;

  test('leaves the other time to dial when it is the other’s turn', () => {
    const plan = createDialPlan(node('a'), options);
    expect(plan.next([first, second], 0)).toEqual([first.peer]);
    expect(plan.next([first, second], 99)).toEqual([]);
    expect(plan.next([first, second], 100)).toEqual([second.peer]);
  });

  test('waits longer after each failure, up to a bound, and not at all after it was no neighbour for a while', () => {
    const plan = createDialPlan(node('a'), options);
    const triedAtMs: number[] = [];
    for (let nowMs = 0; nowMs < 1000; nowMs += 1) {
      for (const peer of plan.next([first], nowMs)) {
        triedAtMs.push(nowMs);
        plan.ended(peer, false, nowMs);
      }
    }
    expect(triedAtMs.slice(0, 6)).toEqual([0, 50, 150, 350, 550, 750]);
    plan.next([], 1000);
    expect(plan.next([first], 1001)).toEqual([first.peer]);
  });

  test('never dials more at once than it may, nor one twice', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(9), fc.boolean(), fc.nat(60)), { size: 'max', maxLength: 80 }), (steps) => {
        const plan = createDialPlan(node('a'), options);
        const members = Array.from({ length: 10 }, (_, i) => node(`x${i}`));
        const dialling = new Set<PeerId>();
        let nowMs = 0;
        for (const [index, succeeds, passMs] of steps) {
          nowMs += passMs;
          for (const peer of plan.next(members, nowMs)) {
            expect(dialling.has(peer)).toBe(false);
            dialling.add(peer);
          }
          expect(dialling.size).toBeLessThanOrEqual(2);
          const peer = [...dialling][index];
          if (peer === undefined) continue;
          dialling.delete(peer);
          plan.ended(peer, succeeds, nowMs);
        }
      }),
    );
  });
});
