import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTokenBucket } from '../src/token-bucket.ts';

const bucketOf = (tokensPerSecond: number, burst: number): ReturnType<typeof createTokenBucket> =>
  createTokenBucket({ tokensPerSecond, burst, nowMs: 0 });

describe('a token bucket', () => {
  test('gives its burst at once and the rest at its rate', () => {
    const bucket = bucketOf(1000, 500);
    expect(bucket.take(0, 500)).toBe(0);
    expect(bucket.take(0, 100)).toBe(100);
    expect(bucket.take(0, 100)).toBe(200);
    expect(bucket.take(200, 50)).toBe(50);
  });

  test('saves up no more than its burst', () => {
    const bucket = bucketOf(1000, 500);
    expect(bucket.take(60_000, 500)).toBe(0);
    expect(bucket.take(60_000, 1)).toBe(1);
  });

  test('gives more than its burst to who waits for it', () => {
    expect(bucketOf(1000, 10).take(0, 5010)).toBe(5000);
  });

  test('never gives more than burst and rate allow, whoever takes how much when', () => {
    const takes = fc.array(fc.tuple(fc.nat(500), fc.nat(2000)), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(takes, fc.integer({ min: 1, max: 5000 }), fc.nat(3000), (steps, rate, burst) => {
        const bucket = bucketOf(rate, burst);
        let nowMs = 0;
        let taken = 0;
        let lastMs = 0;
        for (const [pauseMs, tokens] of steps) {
          nowMs += pauseMs;
          taken += tokens;
          const actsAtMs = nowMs + bucket.take(nowMs, tokens);
          expect(actsAtMs).toBeGreaterThanOrEqual(lastMs - 1e-6); // later takers queue behind the debt
          expect(taken).toBeLessThanOrEqual(burst + (rate * actsAtMs) / 1000 + 1e-6);
          lastMs = actsAtMs;
        }
      }),
    );
  });

  test('takes back what was not used, up to its burst', () => {
    const bucket = bucketOf(1000, 100);
    bucket.take(0, 300);
    bucket.refund(250);
    expect(bucket.take(0, 50)).toBe(0);
    bucket.refund(1_000_000);
    expect(bucket.take(0, 101)).toBe(1);
  });

  test('keeps its debt when the rate changes, and has it paid at the new one', () => {
    const bucket = bucketOf(1000, 0);
    expect(bucket.take(0, 1000)).toBe(1000);
    bucket.setRate(500, 100);
    expect(bucket.tokensPerSecond).toBe(100);
    expect(bucket.take(500, 0)).toBe(5000);
  });

  test('without a limit makes nobody wait, and forgets old debt', () => {
    const bucket = bucketOf(1000, 10);
    bucket.take(0, 5000);
    bucket.setRate(0, Infinity);
    expect(bucket.take(0, 1e12)).toBe(0);
    expect(bucket.take(1, 1e12)).toBe(0);
    bucket.setRate(2, 1000);
    expect(bucket.take(2, 10)).toBe(0);
  });

  test('gives nothing away when the clock stands still or goes back', () => {
    const bucket = bucketOf(1000, 0);
    expect(bucket.take(100, 50)).toBe(50);
    expect(bucket.take(40, 50)).toBe(100);
    expect(bucket.take(100, 50)).toBe(150);
  });

  test.for([0, -1, Number.NaN])('does not take %d for a rate or an amount', (wrong) => {
    expect(() => bucketOf(wrong, 1)).toThrow(TypeError);
    expect(() => bucketOf(1, 1).setRate(0, wrong)).toThrow(TypeError);
    if (wrong !== 0) {
      expect(() => bucketOf(1, wrong)).toThrow(TypeError);
      expect(() => bucketOf(1, 1).take(0, wrong)).toThrow(TypeError);
      expect(() => bucketOf(1, 1).refund(wrong)).toThrow(TypeError);
    }
  });
});
