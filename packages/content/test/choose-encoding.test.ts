import { createSeededRandom, createVirtualClock, systemClock } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import {
  chooseEncoding,
  measureEncoding,
  TYPICAL_RATIO,
  UNKNOWN_LINK_BYTES_PER_SECOND,
} from '../src/choose-encoding.ts';

const GBIT = 1e9 / 8;
/** As measured on the machines that Quarry was developed on. */
const here = { cores: 2, decodeBytesPerSecond: 700e6, encodeBytesPerSecond: 480e6, ratio: TYPICAL_RATIO };

describe('what an ingest keeps pieces as', () => {
  test.each([
    [0.1, 'zstd'],
    [1, 'zstd'],
    [2.5, 'zstd'],
    [5, 'off'],
    [10, 'off'],
    [25, 'off'],
  ])('over a link of %d Gbit/s is %s', (gbits, encoding) => {
    expect(chooseEncoding({ ...here, linkBytesPerSecond: gbits * GBIT }).encoding).toBe(encoding);
  });

  test('follows from both times, and says them', () => {
    const chosen = chooseEncoding({ ...here, ratio: 0.5, decodeBytesPerSecond: 500e6, linkBytesPerSecond: 100e6 });
    expect(chosen).toMatchObject({ encoding: 'zstd', plainSecondsPerGb: 10, encodedSecondsPerGb: 7 });
    expect(chosen.why).toBe('a GB takes 7.00 s encoded and decoded, and 10.00 s plain');
  });

  test('is plain where pieces hardly get smaller, where decoding is slow, and where the link is not known', () => {
    expect(chooseEncoding({ ...here, ratio: 0.95, linkBytesPerSecond: GBIT }).encoding).toBe('off');
    expect(chooseEncoding({ ...here, decodeBytesPerSecond: 100e6, linkBytesPerSecond: GBIT }).encoding).toBe('off');
    expect(chooseEncoding({ ...here, linkBytesPerSecond: UNKNOWN_LINK_BYTES_PER_SECOND }).encoding).toBe('off');
  });

  test('is plain where the link would wait for the encoder', () => {
    const slow = { ...here, cores: 1, encodeBytesPerSecond: 100e6, linkBytesPerSecond: GBIT };
    expect(chooseEncoding(slow)).toMatchObject({ encoding: 'off', why: expect.stringContaining('faster than') });
    expect(chooseEncoding({ ...slow, cores: 2 }).encoding).toBe('zstd');
  });
});

describe('how fast this machine encodes', () => {
  test('is measured on what compresses like a disk image', () => {
    const { ratio, encodeBytesPerSecond, decodeBytesPerSecond } = measureEncoding(systemClock);
    expect(ratio).toBeGreaterThan(0.2);
    expect(ratio).toBeLessThan(0.6);
    expect(encodeBytesPerSecond).toBeGreaterThan(1e6);
    expect(decodeBytesPerSecond).toBeGreaterThan(encodeBytesPerSecond / 2);
  });

  test('counts what stays plain as it is', () => {
    const noise = createSeededRandom(1).bytes(64 * 1024);
    expect(measureEncoding(createVirtualClock(), [noise])).toMatchObject({ ratio: 1 });
  });
});
