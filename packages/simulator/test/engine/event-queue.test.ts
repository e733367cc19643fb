import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEventQueue, type EventQueue } from '../../src/engine/event-queue.ts';

function runAll(queue: EventQueue): void {
  while (queue.runNext(Number.POSITIVE_INFINITY));
}

describe('the event queue', () => {
  test('runs events by time, and those of one time in the order in which they were scheduled', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 300 }), (times) => {
        const queue = createEventQueue();
        const ran: { atMs: number; index: number }[] = [];
        for (const [index, atMs] of times.entries()) {
          queue.at(atMs, () => {
            expect(queue.nowMs).toBe(atMs);
            ran.push({ atMs, index });
          });
        }
        expect(queue.pending).toBe(times.length);
        runAll(queue);
        const expected = times
          .map((atMs, index) => ({ atMs, index }))
          .toSorted((a, b) => a.atMs - b.atMs || a.index - b.index);
        expect(ran).toEqual(expected);
        expect(queue.pending).toBe(0);
      }),
    );
  });

  test('does what a sorted list does, whatever is scheduled, cancelled and run in between', () => {
    const command = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('at' as const), value: fc.integer({ min: 0, max: 50 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), value: fc.nat(80) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('run' as const), value: fc.integer({ min: 0, max: 60 }) }),
      },
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const queue = createEventQueue();
        const ids: number[] = [];
        const ran: number[] = [];
        let expectedRan: number[] = [];
        let listed: { atMs: number; index: number }[] = [];
        let nowMs = 0;
        for (const { kind, value } of commands) {
          if (kind === 'at') {
            const index = ids.length;
            listed.push({ atMs: Math.max(nowMs, value), index });
            ids.push(queue.at(value, () => ran.push(index)));
          } else if (kind === 'cancel') {
            // Also ids that ran or were cancelled, whose places others have by now.
            if (value < ids.length) queue.cancel(ids[value]!);
            listed = listed.filter(({ index }) => index !== value);
          } else {
            listed.sort((a, b) => a.atMs - b.atMs || a.index - b.index);
            const due = listed[0] !== undefined && listed[0].atMs <= value ? listed.shift() : undefined;
            expect(queue.runNext(value)).toBe(due !== undefined);
            if (due !== undefined) {
              nowMs = due.atMs;
              expectedRan = [...expectedRan, due.index];
            }
          }
          expect(queue.nowMs).toBe(nowMs);
          expect(queue.pending).toBe(listed.length);
          expect(ran).toEqual(expectedRan);
        }
      }),
    );
  });

  test('stops at the limit and leaves the clock where the last event put it', () => {
    const queue = createEventQueue();
    let runs = 0;
    queue.at(5, () => runs++);
    queue.at(10, () => runs++);
    expect(queue.runNext(5)).toBe(true);
    expect(queue.runNext(9.999)).toBe(false);
    expect(queue.nowMs).toBe(5);
    expect(runs).toBe(1);
    expect(queue.pending).toBe(1);
  });

  test('an event scheduled for the past runs now, after those that already wait for now', () => {
    const queue = createEventQueue();
    const ran: string[] = [];
    queue.at(10, () => {
      queue.at(3, () => ran.push(`late at ${queue.nowMs}`));
    });
    queue.at(10, () => ran.push('waiting'));
    runAll(queue);
    expect(ran).toEqual(['waiting', 'late at 10']);
  });

  test('ten thousand cancelled events are swept out and cost nobody his turn', () => {
    const queue = createEventQueue();
    const ran: number[] = [];
    const ids = Array.from({ length: 12_000 }, (_, index) => queue.at(12_000 - index, () => ran.push(index)));
    for (const [index, id] of ids.entries()) if (index % 100 !== 0) queue.cancel(id);
    for (const [index, id] of ids.entries()) if (index % 100 !== 0) queue.cancel(id);
    expect(queue.pending).toBe(120);
    runAll(queue);
    expect(ran).toEqual(Array.from({ length: 120 }, (_, i) => 11_900 - i * 100));
  });

  test('refuses a time that is no time', () => {
    const queue = createEventQueue();
    for (const atMs of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(() => queue.at(atMs, () => {})).toThrow(TypeError);
    }
    expect(queue.pending).toBe(0);
  });

  test('an event that throws is gone, and the next one runs', () => {
    const queue = createEventQueue();
    queue.at(1, () => {
      throw new Error('broken');
    });
    let ran = false;
    queue.at(2, () => {
      ran = true;
    });
    expect(() => queue.runNext(5)).toThrow('broken');
    expect(queue.runNext(5)).toBe(true);
    expect(ran).toBe(true);
  });
});
