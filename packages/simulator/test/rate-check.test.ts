import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RateCheck } from '../src/rate-check.ts';

describe('the fullest second', () => {
  test('of nothing has nothing', () => {
    expect(new RateCheck().fullest().bytes).toBe(0);
  });

  test('of a flow longer than a second is what flows in one', () => {
    const check = new RateCheck();
    check.add(0, 4000, 4000);
    expect(check.fullest().bytes).toBeCloseTo(1000, 6);
  });

  test('is found where it lies between whole seconds', () => {
    const check = new RateCheck();
    check.add(600, 1000, 500);
    check.add(1000, 1500, 700);
    check.add(3000, 4000, 900);
    const fullest = check.fullest();
    expect(fullest.bytes).toBeCloseTo(1200, 6);
    expect(fullest.endMs).toBeGreaterThanOrEqual(1500);
    expect(fullest.endMs).toBeLessThanOrEqual(1600);
  });

  test('holds a jump and the flow that follows at once', () => {
    const check = new RateCheck();
    check.add(500, 500, 1000);
    check.add(500, 2500, 2000);
    expect(check.fullest().bytes).toBeCloseTo(2000, 0);
  });

  test('is as full as the fullest of many seconds tried one by one', () => {
    const flow = fc.record({
      from: fc.integer({ min: 0, max: 3000 }),
      ms: fc.integer({ min: 1, max: 2000 }),
      bytes: fc.nat(1e6),
    });
    fc.assert(
      fc.property(fc.array(flow, { maxLength: 12 }), (flows) => {
        const check = new RateCheck();
        for (const { from, ms, bytes } of flows) check.add(from, from + ms, bytes);
        const inSecondTo = (end: number): number =>
          flows.reduce((sum, { from, ms, bytes }) => {
            const overlap = Math.min(end, from + ms) - Math.max(end - 1000, from);
            return sum + (overlap > 0 ? (bytes * overlap) / ms : 0);
          }, 0);
        // every bend lies on a whole millisecond
        const tried = Array.from({ length: 6002 }, (_, end) => inSecondTo(end));
        expect(check.fullest().bytes).toBeCloseTo(Math.max(0, ...tried), 2);
      }),
      { numRuns: 30 },
    );
  });
});
