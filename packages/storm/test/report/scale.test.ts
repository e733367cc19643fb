import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compressedScale, linearScale, roundStep } from '../../src/report/drawing/scale.ts';
import { timeAxis } from '../../src/report/drawing/time-axis.ts';

const maxima = fc.double({ min: 1e-3, max: 1e6, noNaN: true });

test('ticks of a straight axis begin at zero, reach the largest value and keep their distance', () => {
  fc.assert(
    fc.property(maxima, fc.integer({ min: 100, max: 1000 }), (max, lengthPx) => {
      const scale = linearScale({ max, fromPx: 0, toPx: lengthPx, tickPx: 40 });
      expect(scale.ticks[0]).toBe(0);
      expect(scale.ticks.at(-1)).toBeGreaterThanOrEqual(max * (1 - 1e-9));
      const places = scale.ticks.map(scale);
      for (const [index, place] of places.entries()) {
        if (index > 0) expect(place - (places[index - 1] ?? 0)).toBeGreaterThan(20);
      }
    }),
  );
});

test('ticks of counts are whole', () => {
  expect(linearScale({ max: 2, fromPx: 0, toPx: 400, tickPx: 40, isCount: true }).ticks).toEqual([0, 1, 2]);
});

test('an axis for nothing at all has a zero and an end', () => {
  expect(linearScale({ max: 0, fromPx: 0, toPx: 100, tickPx: 40 }).ticks.length).toBeGreaterThan(1);
  expect(linearScale({ max: Number.NaN, fromPx: 0, toPx: 100, tickPx: 40 })(Number.NaN)).toBeNaN();
});

test('steps are 1, 2 or 5 times a power of ten', () => {
  expect([0.03, 1, 1.1, 3, 7, 99].map(roundStep)).toEqual([0.05, 1, 2, 5, 10, 100]);
});

test('a compressed axis keeps order, has a zero, and gives the quickest a fair part of it', () => {
  const scale = compressedScale({ max: 560, knee: 14, fromPx: 0, toPx: 800, tickPx: 46 });
  expect(scale(0)).toBe(0);
  expect(scale(560)).toBeCloseTo(800);
  expect(scale(14)).toBeGreaterThan(120);
  expect(scale.ticks).toEqual([0, 5, 10, 20, 50, 100, 200, 500]);
  const places = scale.ticks.map(scale);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test('time is straight while all ends are close, and compressed where one takes many times as long', () => {
  expect(timeAxis([15, 23, 25], 13.4).remark).toBe('s');
  expect(timeAxis([15, 562], 13.4).remark).toMatch(/compressed/);
  expect(timeAxis([], Number.NaN).maxSeconds).toBe(1);
});
