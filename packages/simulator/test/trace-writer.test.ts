import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { traceKinds, tracePlaces } from '../src/trace.ts';
import { createTraceWriter } from '../src/trace-writer.ts';
import type { TraceWriter } from '../src/trace-writer.ts';
import { tinyStorm } from './support/tiny-storm.ts';

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly args: Readonly<Record<string, unknown>>;
}

function written(fill: (writer: TraceWriter) => void, places: readonly string[] = ['a', 'b']): TraceEvent[] {
  const texts: string[] = [];
  const writer = createTraceWriter(places, (text) => texts.push(text));
  fill(writer);
  writer.close();
  return JSON.parse(texts.join('')) as TraceEvent[];
}

describe('a trace', () => {
  test('of nothing at all is still a file that a viewer opens', () => {
    expect(written(() => {}, [])).toEqual([]);
  });

  test('names its processes and keeps them in the order of the storm', () => {
    const names = tracePlaces(tinyStorm()).names;
    const events = written(() => {}, names);
    expect(names).toEqual(['a', 'b', 'c', 'seeder 0', 'store', 'storm tiny']);
    expect(events.filter(({ name }) => name === 'process_name').map(({ args }) => args.name)).toEqual(names);
    expect(events.filter(({ name }) => name === 'process_sort_index').map(({ args }) => args.sort_index)).toEqual(
      names.map((_, index) => index),
    );
  });

  test('has microseconds, whole nanoseconds, and the facts of both ends', () => {
    const events = written((writer) => {
      const span = writer.begin(1.0000004, 1, 'receive', 'piece 3', { from: 'a', bytes: 262144 });
      writer.end(2.5, span, { isHedged: true });
      writer.end(3, span);
    });
    const spans = events.filter(({ ph }) => ph === 'X');
    expect(spans).toEqual([
      {
        name: 'piece 3',
        cat: 'receive',
        ph: 'X',
        ts: 1000,
        dur: 1500,
        pid: 2,
        tid: expect.any(Number),
        args: { from: 'a', bytes: 262144, isHedged: true },
      },
    ]);
  });

  test('shows at its end what nobody ended', () => {
    const events = written((writer) => {
      writer.begin(1, 0, 'unshelve', 'vm');
      writer.mark(5, 0, 'decision', 'hedge');
    });
    expect(events.find(({ ph }) => ph === 'X')).toMatchObject({ ts: 1000, dur: 4000, args: { isCutOff: true } });
    expect(events.find(({ ph }) => ph === 'i')).toMatchObject({ name: 'hedge', ts: 5000, s: 't' });
  });

  test('never lets two spans of one thread overlap, names each thread before it is used, and is the same each time', () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 3 }),
      place: fc.nat(2),
      kind: fc.constantFrom(...traceKinds),
      endsOf: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const fill = (writer: TraceWriter): void => {
          const open: number[] = [];
          let nowMs = 0;
          for (const { afterMs, place, kind, endsOf } of steps) {
            nowMs += afterMs / 3;
            const ended = open.splice(endsOf, 1)[0];
            if (ended !== undefined) writer.end(nowMs, ended);
            if (endsOf === 5) writer.mark(nowMs, place, kind, 'mark');
            else open.push(writer.begin(nowMs, place, kind, 'span'));
          }
        };
        const events = written(fill, ['a', 'b', 'c']);
        expect(written(fill, ['a', 'b', 'c'])).toEqual(events);
        const named = new Set<number>();
        const processOf = new Map<number, number>();
        const spans = new Map<number, { readonly from: number; readonly to: number }[]>();
        for (const { name, ph, pid, tid, ts = 0, dur = 0 } of events) {
          if (name === 'thread_name') named.add(tid);
          if (ph === 'M') continue;
          expect(named.has(tid)).toBe(true);
          expect(processOf.get(tid) ?? pid).toBe(pid);
          processOf.set(tid, pid);
          if (ph === 'X') spans.set(tid, [...(spans.get(tid) ?? []), { from: ts, to: ts + dur }]);
        }
        for (const ofThread of spans.values()) {
          const sorted = ofThread.toSorted((a, b) => a.from - b.from || a.to - b.to);
          for (const [i, { to }] of sorted.entries())
            expect(to).toBeLessThanOrEqual((sorted[i + 1]?.from ?? Infinity) + 1e-3);
        }
      }),
      { numRuns: 50 },
    );
  });
});
