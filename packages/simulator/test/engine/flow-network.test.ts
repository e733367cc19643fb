import { describe, expect, test } from 'vitest';
import { createEventQueue, type EventQueue } from '../../src/engine/event-queue.ts';
import { createFlowNetwork, type FlowNetwork } from '../../src/engine/flow-network.ts';

function setUp(quantumMs = 0): { queue: EventQueue; network: FlowNetwork } {
  const queue = createEventQueue();
  return { queue, network: createFlowNetwork(queue, { quantumMs }) };
}

function runUntil(queue: EventQueue, untilMs: number): void {
  queue.at(untilMs, () => {});
  while (queue.runNext(untilMs));
}

const runAll = (queue: EventQueue): void => runUntil(queue, 1e9);

describe('a network of flows', () => {
  test('a flow alone ends when its bytes have passed at the rate of its slowest link', () => {
    const { queue, network } = setUp();
    const fast = network.addLink(1_000);
    const slow = network.addLink(250);
    let endedAtMs = -1;
    network.start([fast, slow], 500, () => (endedAtMs = queue.nowMs));
    runAll(queue);
    expect(endedAtMs).toBe(2_000);
    expect(network.linkBytes(fast)).toBe(500);
    expect(network.linkBytes(slow)).toBe(500);
    expect(network.flows).toBe(0);
  });

  test('three flows over two links: the shared bottleneck is halved, the rest of the other link goes to who is left', () => {
    const { queue, network } = setUp();
    const a = network.addLink(100);
    const b = network.addLink(300);
    const first = network.start([a], 1e6, () => {});
    const both = network.start([a, b], 1e6, () => {});
    const second = network.start([b], 1e6, () => {});
    runUntil(queue, 1_000);
    expect([first, both, second].map((flow) => network.passedBytes(flow))).toEqual([50, 50, 250]);
    expect(network.linkRateNow(a)).toBe(100);
    expect(network.linkRateNow(b)).toBe(300);
    expect(network.linkBytes(b)).toBe(300);
  });

  test('what an ended flow leaves speeds the others up from that instant', () => {
    const { queue, network } = setUp();
    const link = network.addLink(100);
    const ends: number[] = [];
    network.start([link], 50, () => ends.push(queue.nowMs));
    network.start([link], 150, () => ends.push(queue.nowMs));
    runAll(queue);
    expect(ends).toEqual([1_000, 2_000]);
  });

  test('a cap holds one flow down and leaves the rest to others, until it is raised', () => {
    const { queue, network } = setUp();
    const link = network.addLink(100);
    const paced = network.start([link], 1e6, () => {}, 10);
    const free = network.start([link], 1e6, () => {});
    runUntil(queue, 1_000);
    expect(network.passedBytes(paced)).toBe(10);
    expect(network.passedBytes(free)).toBe(90);
    network.setFlowCap(paced, 1_000);
    runUntil(queue, 2_000);
    expect(network.passedBytes(paced)).toBe(60);
    network.setFlowCap(paced, 0);
    runUntil(queue, 3_000);
    expect(network.passedBytes(paced)).toBe(60);
    expect(network.passedBytes(free)).toBe(240);
  });

  test.for([0, 7])('a link of rate 0 stops its flows and a restored one lets them end (quantum %d)', (quantumMs) => {
    const { queue, network } = setUp(quantumMs);
    const link = network.addLink(100);
    let endedAtMs = -1;
    const flow = network.start([link], 100, () => (endedAtMs = queue.nowMs));
    runUntil(queue, 500);
    network.setLinkRate(link, 0);
    expect(network.linkRateNow(link)).toBe(0);
    runUntil(queue, 10_000);
    expect(network.passedBytes(flow)).toBe(50);
    network.setLinkRate(link, 50);
    runAll(queue);
    expect(endedAtMs).toBe(11_000);
    expect(network.linkBytes(link)).toBe(100);
  });

  test('a link that is slowed and then stopped within a quantum carries nothing, not even a rounding', () => {
    const { queue, network } = setUp(1_000);
    const link = network.addLink(1);
    network.start([link], 100, () => {}, 0.1);
    network.start([link], 100, () => {}, 0.2);
    network.start([link], 100, () => {});
    runUntil(queue, 1);
    for (const rate of [0.7, 0.3, 0.1, 0]) network.setLinkRate(link, rate);
    expect(network.linkRateNow(link)).toBe(0);
  });

  test('a flow started on a link that stands still begins when the link does', () => {
    const { queue, network } = setUp();
    const link = network.addLink(0);
    let endedAtMs = -1;
    network.start([link], 10, () => (endedAtMs = queue.nowMs));
    runUntil(queue, 100);
    expect(endedAtMs).toBe(-1);
    network.setLinkRate(link, 10);
    runAll(queue);
    expect(endedAtMs).toBe(1_100);
  });

  test.for([0, 1_000])(
    'a cancelled flow tells what passed, gives its rate back and never ends (quantum %d)',
    (quantumMs) => {
      const { queue, network } = setUp(quantumMs);
      const link = network.addLink(100);
      let ended = 0;
      const cancelled = network.start([link], 1_000, () => (ended += 100));
      network.start([link], 150, () => (ended += 1));
      runUntil(queue, 2_000);
      expect(network.cancel(cancelled)).toBe(100);
      expect(network.cancel(cancelled)).toBe(0);
      expect(network.passedBytes(cancelled)).toBe(0);
      expect(network.linkBytes(link)).toBe(200);
      expect(network.flows).toBe(1);
      runUntil(queue, 2_500);
      expect(ended).toBe(1);
      runAll(queue);
      expect(ended).toBe(1);
      expect(network.linkBytes(link)).toBe(250);
      expect(network.linkRateNow(link)).toBe(0);
    },
  );

  test('the id of an ended flow does not reach the flow that took its place', () => {
    const { queue, network } = setUp();
    const link = network.addLink(100);
    const old = network.start([link], 10, () => {});
    runAll(queue);
    const next = network.start([link], 1e15, () => {});
    network.setFlowCap(old, 0);
    expect(network.cancel(old)).toBe(0);
    runUntil(queue, queue.nowMs + 1_000);
    expect(network.passedBytes(next)).toBeCloseTo(100, 3);
  });

  test.for([0, 5])(
    'nothing to carry, or nothing in the way, ends at once and not inside `start` (quantum %d)',
    (quantumMs) => {
      const { queue, network } = setUp(quantumMs);
      const still = network.addLink(0);
      const endless = network.addLink(Number.POSITIVE_INFINITY);
      const ends: string[] = [];
      // A second round in the middle of a quantum.
      for (const atMs of [0, 12, 13]) {
        queue.at(atMs, () => {
          network.start([still], 0, () => ends.push(`empty at ${queue.nowMs}`));
          network.start([endless], 77, () => ends.push(`unbounded at ${queue.nowMs}`));
          expect(ends.every((end) => !end.endsWith(`at ${atMs}`))).toBe(true);
        });
      }
      runAll(queue);
      expect(ends).toEqual([0, 12, 13].flatMap((atMs) => [`empty at ${atMs}`, `unbounded at ${atMs}`]));
      expect(network.linkBytes(endless)).toBe(3 * 77);
      expect(network.linkRateNow(endless)).toBe(0);
    },
  );

  test('within a quantum the next flow of a sender goes on at the rate the last one left', () => {
    const { queue, network } = setUp(1_000);
    const uplink = network.addLink(100);
    const ends: number[] = [];
    network.start([uplink], 50, () => {
      ends.push(queue.nowMs);
      network.start([uplink], 20, () => ends.push(queue.nowMs));
    });
    network.start([uplink], 500, () => {});
    runUntil(queue, 1_500);
    expect(ends).toEqual([1_000, 1_400]);
  });

  test('a flow that finds nothing free waits for the computation, and no longer', () => {
    const { queue, network } = setUp(100);
    const link = network.addLink(100);
    network.start([link], 1_000, () => {});
    runUntil(queue, 10);
    const late = network.start([link], 1_000, () => {});
    runUntil(queue, 100);
    expect(network.passedBytes(late)).toBe(0);
    runUntil(queue, 200);
    expect(network.passedBytes(late)).toBe(5);
  });

  test('misuse is named', () => {
    const { network } = setUp();
    const link = network.addLink(1);
    const none = (): void => {};
    expect(() => network.addLink(-1)).toThrow(TypeError);
    expect(() => network.addLink(Number.NaN)).toThrow(TypeError);
    expect(() => network.setLinkRate(link, Number.NaN)).toThrow(TypeError);
    expect(() => network.setLinkRate(7, 1)).toThrow('no link 7');
    expect(() => network.start([], 1, none)).toThrow(TypeError);
    expect(() => network.start([link, link], 1, none)).toThrow('twice');
    expect(() => network.start([link], Number.NaN, none)).toThrow(TypeError);
    expect(() => network.start([link], 1, none, -1)).toThrow(TypeError);
    expect(() => createFlowNetwork(createEventQueue(), { quantumMs: -1 })).toThrow(TypeError);
    expect(network.flows).toBe(0);
  });
});
