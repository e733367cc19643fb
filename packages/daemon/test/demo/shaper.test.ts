import { createVirtualClock, type Clock } from '@quarry/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createShaper, type ShapedFlow } from '../../src/demo/shaper.ts';

const KIB = 1024;

/** A flow with `queuedBytes` to send that remembers what it sent. */
function createFlow(queuedBytes: number): ShapedFlow & { queuedBytes: number; sentBytes: number; turns: number } {
  return {
    queuedBytes,
    sentBytes: 0,
    turns: 0,
    readyBytes() {
      return this.queuedBytes;
    },
    send(bytes) {
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(this.queuedBytes);
      this.queuedBytes -= bytes;
      this.sentBytes += bytes;
      this.turns += 1;
    },
  };
}

/** The same time, but each timer fires later than it was asked to. */
function lateBy(clock: Clock, lateness: () => number): Clock {
  return { ...clock, after: (ms, callback) => clock.after(ms + lateness(), callback) };
}

describe('a shaper', () => {
  test.for([100e3, 5e6, 200e6, 1e9])('sends at its rate after its burst (%d bytes per second)', async (rate) => {
    const clock = createVirtualClock();
    const shaper = createShaper({ clock }, { rateBytesPerSecond: rate, burstBytes: 100 * KIB });
    const flow = createFlow(Infinity);
    shaper.wake(flow);
    await clock.advance(500);
    const expected = 100 * KIB + rate / 2;
    expect(flow.sentBytes).toBeLessThanOrEqual(expected + 1);
    expect(flow.sentBytes).toBeGreaterThan(expected - 64 * KIB);
    shaper.close();
  });

  test('keeps its rate although every timer is late', async () => {
    const virtual = createVirtualClock();
    let fired = 0;
    const clock = lateBy(virtual, () => (fired++ % 7) + 0.3);
    const shaper = createShaper({ clock }, { rateBytesPerSecond: 200e6, burstBytes: 64 * KIB });
    const flow = createFlow(Infinity);
    shaper.wake(flow);
    await virtual.advance(1000);
    expect(flow.sentBytes / 200e6).toBeGreaterThan(0.99);
    expect(flow.sentBytes / 200e6).toBeLessThan(1.001);
    shaper.close();
  });

  test('does not make a minute good in which it was stopped', async () => {
    const virtual = createVirtualClock();
    let lateMs = 60_000;
    const clock = lateBy(virtual, () => {
      const now = lateMs;
      lateMs = 0;
      return now;
    });
    const shaper = createShaper({ clock }, { rateBytesPerSecond: 10e6, burstBytes: 64 * KIB });
    const flow = createFlow(Infinity);
    shaper.wake(flow);
    await virtual.advance(60_100);
    expect(flow.sentBytes).toBeLessThan(0.4 * 10e6);
    shaper.close();
  });

  test('gives waiting flows equal shares, however much each has queued', async () => {
    const clock = createVirtualClock();
    const shaper = createShaper({ clock }, { rateBytesPerSecond: 10e6, burstBytes: 16 * KIB });
    const flows = [createFlow(Infinity), createFlow(Infinity), createFlow(50e6)];
    for (const flow of flows) shaper.wake(flow);
    await clock.advance(1000);
    const sent = flows.map((flow) => flow.sentBytes);
    expect(Math.max(...sent) - Math.min(...sent)).toBeLessThanOrEqual(64 * KIB);
    shaper.close();
  });

  test('lets one that arrives late have its turn after one turn of each that waits', async () => {
    const clock = createVirtualClock();
    const shaper = createShaper({ clock }, { rateBytesPerSecond: 1e6, burstBytes: 1 });
    const busy = [createFlow(Infinity), createFlow(Infinity)];
    for (const flow of busy) shaper.wake(flow);
    await clock.advance(500);
    const before = busy.map((flow) => flow.turns);
    const small = createFlow(200);
    shaper.wake(small);
    while (small.sentBytes === 0) await clock.advance(1);
    for (const [index, flow] of busy.entries()) expect(flow.turns - (before[index] ?? 0)).toBeLessThanOrEqual(2);
    shaper.close();
  });

  test('gives the whole rate to one while the other is blocked, and shares again when it is not', async () => {
    const clock = createVirtualClock();
    const shaper = createShaper({ clock }, { rateBytesPerSecond: 10e6, burstBytes: 16 * KIB });
    const [steady, blocked] = [createFlow(Infinity), createFlow(0)];
    shaper.wake(steady);
    shaper.wake(blocked);
    await clock.advance(100);
    expect(steady.sentBytes).toBeGreaterThan(0.98e6);
    blocked.queuedBytes = Infinity;
    shaper.wake(blocked);
    const before = steady.sentBytes;
    await clock.advance(100);
    expect(Math.abs(steady.sentBytes - before - blocked.sentBytes)).toBeLessThanOrEqual(64 * KIB);
    shaper.close();
  });

  test('gives back what was taken for a flow that is removed in its turn', async () => {
    const clock = createVirtualClock();
    const shaper = createShaper({ clock }, { rateBytesPerSecond: 1e6, burstBytes: 16 * KIB });
    const first = createFlow(16 * KIB);
    shaper.wake(first); // the burst
    const [gone, next] = [createFlow(16 * KIB), createFlow(1000)];
    shaper.wake(gone);
    shaper.wake(next);
    shaper.remove(gone);
    await clock.advance(1.001);
    expect(gone.sentBytes).toBe(0);
    expect(next.sentBytes).toBe(1000);
    shaper.close();
  });

  test('has no timer while nobody is ready, and none after it is closed', async () => {
    const clock = createVirtualClock();
    const shaper = createShaper({ clock }, { rateBytesPerSecond: 1e6, burstBytes: 1000 });
    expect(clock.pending).toBe(0);
    const flow = createFlow(5000);
    shaper.wake(flow);
    expect(clock.pending).toBe(1);
    await clock.advance(100);
    expect(flow.queuedBytes).toBe(0);
    expect(clock.pending).toBe(0);
    flow.queuedBytes = 50_000;
    shaper.wake(flow);
    shaper.close();
    expect(clock.pending).toBe(0);
    shaper.wake(flow);
    await clock.advance(1000);
    expect(flow.sentBytes).toBe(5000);
  });

  test('never sends more than its burst and its rate allow, and all that is queued in the end', async () => {
    const arrival = fc.record({
      flow: fc.nat(3),
      bytes: fc.integer({ min: 1, max: 300_000 }),
      afterMs: fc.nat(40),
      isRemoved: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { minLength: 1, maxLength: 20 }), async (arrivals) => {
        const [rate, burst] = [20e6, 100_000];
        const clock = createVirtualClock();
        const shaper = createShaper({ clock }, { rateBytesPerSecond: rate, burstBytes: burst });
        const flows = [0, 1, 2, 3].map(() => createFlow(0));
        const total = (): number => flows.reduce((sum, flow) => sum + flow.sentBytes, 0);
        for (const { flow: index, bytes, afterMs, isRemoved } of arrivals) {
          const flow = flows[index] ?? createFlow(0);
          if (isRemoved) {
            flow.queuedBytes = 0;
            shaper.remove(flow);
          } else {
            flow.queuedBytes += bytes;
            shaper.wake(flow);
          }
          await clock.advance(afterMs);
          expect(total()).toBeLessThanOrEqual(burst + (clock.now() / 1000) * rate + 1);
        }
        await clock.advance(1000);
        expect(flows.map((flow) => flow.queuedBytes)).toEqual([0, 0, 0, 0]);
        expect(clock.pending).toBe(0);
      }),
    );
  });
});
