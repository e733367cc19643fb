import { expect, test } from 'vitest';
import { count, deviation, figure, median, rate, share, size, tickText } from '../../src/report/figures.ts';

test('figures have three digits that count, and what was not measured is a dash', () => {
  expect([0, 0.0375, 1.004, 9.999, 15.23, 99.97, 562.4, 12_345].map(figure)).toEqual([
    '0',
    '0.037',
    '1.00',
    '10.0',
    '15.2',
    '100',
    '562',
    '12,345',
  ]);
  expect([undefined, Number.NaN, Infinity].map(figure)).toEqual(['–', '–', '–']);
  expect(count(1_234_567)).toBe('1,234,567');
});

test('ticks have no digits that are always zero', () => {
  expect([0, 0.2, 5, 2000].map(tickText)).toEqual(['0', '0.2', '5', '2,000']);
});

test('links are written in bits, sizes in binary units', () => {
  expect(rate(2_500_000)).toBe('20 Mbit/s');
  expect(rate(null)).toBe('unlimited');
  expect(size(32 * 2 ** 20)).toBe('32.0 MiB');
  expect(size(1.25 * 2 ** 30)).toBe('1.25 GiB');
  expect(size(131_072)).toBe('128 KiB');
  expect(size(0)).toBe('0 MiB');
});

test('a share that is there is never written as none', () => {
  expect([share(465, 1000), share(1, 100_000), share(0, 10), share(0, 0)]).toEqual(['46.5 %', '< 0.1 %', '0.0 %', '–']);
});

test('deviations carry their sign', () => {
  expect(deviation(104.6, 100)).toBe('+4.6 %');
  expect(deviation(97, 100)).toBe('−3.0 %');
  expect(deviation(99.99, 100)).toBe('0.0 %');
  expect(deviation(1, 0)).toBe('–');
});

test('the median is a value that occurs', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2);
  expect(median([])).toBeUndefined();
});
