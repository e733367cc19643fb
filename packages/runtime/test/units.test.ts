import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatBytes, formatDuration, formatRate, parseBytes, parseDuration, parseRate } from '../src/units.ts';

describe('a size', () => {
  test.for([
    ['0', 0],
    ['4096', 4096],
    ['64KiB', 65536],
    ['1.5 GB', 1_500_000_000],
    [' 20 GiB ', 20 * 2 ** 30],
    ['1tib', 2 ** 40],
    ['10 b', 10],
    [4096, 4096],
  ] as const)('%j is %d bytes', ([text, bytes]) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.for([
    '',
    'GB',
    '5 XB',
    '-5',
    '1e3',
    '1.5.2 MB',
    '5 MB/s',
    '5 constructor',
    '9999999 TiB',
    -1,
    1.5,
    Number.NaN,
    Infinity,
  ])('%j is none', (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });

  test('is written so that it reads as nearly the same', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(5000), fc.nat({ max: 2 ** 50 })), (bytes) => {
        const again = parseBytes(formatBytes(bytes)) ?? Number.NaN;
        expect(Math.abs(again - bytes)).toBeLessThanOrEqual(bytes * 0.006 + 0.5);
      }),
    );
  });

  test.for([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [65536, '64.0 KiB'],
    [1.5 * 2 ** 30, '1.50 GiB'],
    [2 ** 60, '1048576.0 TiB'],
  ] as const)('of %d bytes is written %s', ([bytes, text]) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('a rate', () => {
  test.for([
    ['100Mbit/s', 12.5e6],
    ['1 Gbit/s', 125e6],
    ['12 MB/s', 12e6],
    ['100MiB/s', 100 * 2 ** 20],
    ['8 kbit', 1000],
    ['5 MBps', 5e6],
    ['1000', 1000],
    ['unlimited', Infinity],
    [' Unlimited ', Infinity],
    [5, 5],
  ] as const)('%j is %d bytes per second', ([text, rate]) => {
    expect(parseRate(text)).toBe(rate);
  });

  test.for(['', '0', '0 MB/s', 'fast', '5 m/s', '5/s/s', -1, 0, Number.NaN])('%j is none', (text) => {
    expect(parseRate(text)).toBeUndefined();
  });

  test.for(['100 Mb/s', '100Mbps', '100mb/s', '9600 b/s', '9600bps', '1Gb'])(
    '%j is none: it may mean bits or bytes',
    (text) => {
      expect(parseRate(text)).toBeUndefined();
    },
  );

  test('is written so that it can be read', () => {
    for (const rate of [1, 12.5e6, 125e6, Infinity]) {
      const again = parseRate(formatRate(rate)) ?? Number.NaN;
      expect(again === rate || Math.abs(again / rate - 1) < 0.01).toBe(true);
    }
    expect(formatRate(100 * 2 ** 20)).toBe('100.0 MiB/s');
  });
});

describe('a duration', () => {
  test.for([
    ['200ms', 200],
    ['5s', 5000],
    ['1.5 h', 5.4e6],
    ['10 m', 600e3],
    ['10min', 600e3],
    [' 2 min 30 s', 150e3],
    ['1h30m', 5.4e6],
    ['1d', 86_400e3],
    [250, 250],
  ] as const)('%j is %d ms', ([text, ms]) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.for(['', '5', 's', '5 parsecs', '-5s', '5s later', '1 min 30', '5 s 5 toString', -1, Number.NaN])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  test.for([
    [0, '0 ms'],
    [999, '999 ms'],
    [1500, '1.5 s'],
    [179_700, '3 min 0 s'],
    [150_000, '2 min 30 s'],
    [5 * 3600e3, '5.0 h'],
  ] as const)('of %d ms is written %s', ([ms, text]) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test('is written so that it reads as nearly the same', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(10_000), fc.nat(10 * 86_400_000)), (ms) => {
        const again = parseDuration(formatDuration(ms)) ?? Number.NaN;
        expect(Math.abs(again - ms)).toBeLessThanOrEqual(Math.max(50, ms * 0.03));
      }),
    );
  });
});
