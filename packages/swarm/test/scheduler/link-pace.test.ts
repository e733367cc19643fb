import { describe, expect, test } from 'vitest';
import { createLinkPace } from '../../src/scheduler/link-pace.ts';
import type { LinkPace } from '../../src/scheduler/link-pace.ts';

const MIB = 1024 * 1024;

/** Pieces that arrive one after the other at the rate of a link; returns when the last did. */
function receive(pace: LinkPace, pieces: number, gbits: number, fromMs = 0): number {
  const pieceMs = (MIB * 8) / (gbits * 1e6);
  for (let i = 1; i <= pieces; i += 1) pace.received(MIB, fromMs + i * pieceMs);
  return fromMs + pieces * pieceMs;
}

describe('the pace of a link', () => {
  test('is that of 1 Gbit/s until something is known', () => {
    expect(createLinkPace().slots).toEqual({ slots: 8, queue: 2, window: 9 });
  });

  test('is worked out from the rate at which pieces arrive and the shortest round trip', () => {
    const pace = createLinkPace();
    pace.roundTrip(2.2, 0);
    const atMs = receive(pace, 200, 10);
    expect(pace.linkBytesPerSecond).toBeCloseTo(1.25e9, -3);
    expect(pace.pieceMs).toBeCloseTo(0.84, 2);
    expect(pace.slots).toEqual({ slots: 15, queue: 9, window: 23 });
    pace.roundTrip(40, atMs); // somebody was busy
    expect(pace.roundTripMs).toBe(2.2);
  });

  test('grows with each step of the link, and stays within what memory can hold', () => {
    const windows = [1, 2.5, 10, 25, 100].map((gbits) => {
      const pace = createLinkPace();
      pace.roundTrip(2.2, 0);
      receive(pace, 200, gbits);
      return pace.slots.window;
    });
    expect(windows).toEqual(windows.toSorted((a, b) => a - b));
    expect(windows[0]).toBe(9);
    expect(windows.at(-1)).toBeLessThanOrEqual(10 + 8 * 6);
  });

  test('has more pieces under way where each takes long', () => {
    const pace = createLinkPace();
    receive(pace, 200, 0.02);
    expect(pace.slots).toEqual({ slots: 12, queue: 2, window: 13 });
  });

  test('what is sent counts as well as what arrives', () => {
    const pace = createLinkPace();
    for (let i = 1; i <= 200; i += 1) pace.sent(MIB, i);
    expect(pace.linkBytesPerSecond).toBeCloseTo(MIB * 1000, -3);
  });

  test('one burst says nothing, and a slower link is believed after a minute', () => {
    const pace = createLinkPace();
    for (let i = 0; i < 20; i += 1) pace.received(MIB, 1);
    expect(pace.linkBytesPerSecond).toBe(0);
    const atMs = receive(pace, 200, 10, 10);
    const slowAtMs = receive(pace, 200, 1, atMs);
    expect(pace.pieceMs).toBeLessThan(0.9);
    receive(pace, 200, 1, slowAtMs + 60_000);
    expect(pace.pieceMs).toBeGreaterThan(8);
  });

  test('news of what hardly anybody has is told within a piece’s time, other news with more of it', () => {
    const pace = createLinkPace();
    receive(pace, 200, 1);
    expect(pace.tellAfterMs(1)).toBeCloseTo(8.39, 1);
    expect(pace.tellAfterMs(2)).toBe(80);
    expect(pace.tellAfterMs(Infinity)).toBe(80);
    const fast = createLinkPace();
    receive(fast, 200, 10);
    expect([fast.tellAfterMs(0), fast.tellAfterMs(2)]).toEqual([1, 10]);
  });
});
