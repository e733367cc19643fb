import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryHeap } from '../../src/engine/entry-heap.ts';

interface Entry {
  readonly key: number;
  readonly tie: number;
}

const byKeyThenTie = (a: Entry, b: Entry): number => a.key - b.key || a.tie - b.tie;
const entries = fc.uniqueArray(fc.record<Entry>({ key: fc.nat(8), tie: fc.nat(100_000) }), {
  maxLength: 200,
  selector: ({ tie }) => tie,
});

function drain(heap: EntryHeap): Entry[] {
  const drained: Entry[] = [];
  while (heap.size > 0) {
    expect(heap.firstValue).toBe(heap.firstTie + 1);
    drained.push({ key: heap.firstKey, tie: heap.firstTie });
    heap.removeFirst();
  }
  return drained;
}

describe('the heap of entries', () => {
  test('gives entries by key and then by tie, pushed one by one or ordered at once', () => {
    fc.assert(
      fc.property(entries, entries, (appended, pushed) => {
        const heap = new EntryHeap();
        for (const { key, tie } of appended) heap.append(key, tie * 2, tie * 2 + 1);
        heap.order();
        for (const { key, tie } of pushed) heap.push(key, tie * 2 + 1, tie * 2 + 2);
        const expected = [
          ...appended.map(({ key, tie }) => ({ key, tie: tie * 2 })),
          ...pushed.map(({ key, tie }) => ({ key, tie: tie * 2 + 1 })),
        ];
        expect(drain(heap)).toEqual(expected.toSorted(byKeyThenTie));
      }),
    );
  });

  test('keeps its order when the first entry is raised and others are dropped', () => {
    fc.assert(
      fc.property(entries, fc.array(fc.nat(5), { maxLength: 50 }), fc.nat(3), (given, raises, dropped) => {
        const heap = new EntryHeap();
        let listed: Entry[] = given.toSorted(byKeyThenTie);
        for (const { key, tie } of given) heap.push(key, tie, tie + 1);
        for (const raise of listed.length > 0 ? raises : []) {
          const { key, tie } = listed[0]!;
          heap.raiseFirst(key + raise);
          listed = [{ key: key + raise, tie }, ...listed.slice(1)].toSorted(byKeyThenTie);
          expect(heap.firstTie).toBe(listed[0]!.tie);
        }
        heap.retain((value) => (value - 1) % 4 !== dropped);
        expect(drain(heap)).toEqual(listed.filter(({ tie }) => tie % 4 !== dropped));
      }),
    );
  });
});
