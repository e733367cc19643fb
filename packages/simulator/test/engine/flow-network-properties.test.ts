import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEventQueue, type EventQueue } from '../../src/engine/event-queue.ts';
import { createFlowNetwork, type FlowNetwork } from '../../src/engine/flow-network.ts';

interface Call {
  readonly kind: 'start' | 'cancel' | 'link' | 'cap';
  readonly afterMs: number;
  /** Which flow or link, modulo how many there are. */
  readonly which: number;
  /** A new link rate, or a cap. */
  readonly rate: number;
  readonly links: readonly number[];
  readonly bytes: number;
}

interface Flow {
  readonly id: number;
  /** A link of its own without limit: its rate is the flow's. */
  readonly own: number;
  readonly links: readonly number[];
  readonly bytes: number;
  cap: number;
  /** Once it ended. */
  passed: number | undefined;
  timesDone: number;
}

const LINKS = 5;
const rates = fc.oneof(fc.constantFrom(0, 100, 1_000, Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 3_000 }));
const calls = fc.array(
  fc.record<Call>({
    kind: fc.constantFrom('start', 'start', 'start', 'cancel', 'link', 'cap'),
    afterMs: fc.oneof(fc.constantFrom(0, 0, 10), fc.integer({ min: 1, max: 300 })),
    which: fc.nat(100),
    rate: rates,
    links: fc.uniqueArray(fc.nat(LINKS - 1), { minLength: 1, maxLength: 4 }),
    bytes: fc.oneof(fc.constantFrom(0, 100, 100), fc.integer({ min: 1, max: 2_000 })),
  }),
  { maxLength: 60 },
);
const linkRates = fc.array(rates, { minLength: LINKS, maxLength: LINKS });

/** Calls a network as told and keeps beside it what it must then be. */
class Story {
  readonly queue: EventQueue = createEventQueue();
  readonly flows: Flow[] = [];
  readonly links: number[];
  readonly network: FlowNetwork;
  readonly rates: number[];

  constructor(linkRates: readonly number[], quantumMs: number) {
    this.network = createFlowNetwork(this.queue, { quantumMs });
    this.rates = [...linkRates];
    this.links = this.rates.map((rate) => this.network.addLink(rate));
  }

  get living(): Flow[] {
    return this.flows.filter(({ passed }) => passed === undefined);
  }

  perform({ kind, which, rate, links, bytes }: Call): void {
    const flow = this.living[which % Math.max(1, this.living.length)];
    if (kind === 'start') this.start(links, bytes, which % 4 === 0 ? rate : Number.POSITIVE_INFINITY);
    else if (kind === 'link') this.setLinkRate(which % LINKS, rate);
    else if (flow === undefined) return;
    else if (kind === 'cancel') flow.passed = this.network.cancel(flow.id);
    else {
      flow.cap = rate;
      this.network.setFlowCap(flow.id, rate);
    }
  }

  start(links: readonly number[], bytes: number, cap: number): void {
    const own = this.network.addLink(Number.POSITIVE_INFINITY);
    const path = [...links.map((link) => this.links[link]!), own];
    const id = this.network.start(path, bytes, () => this.#ended(own), cap);
    this.flows.push({ id, own, links, bytes, cap, passed: undefined, timesDone: 0 });
  }

  setLinkRate(index: number, rate: number): void {
    this.rates[index] = rate;
    this.network.setLinkRate(this.links[index]!, rate);
  }

  #ended(own: number): void {
    const flow = this.flows.find((candidate) => candidate.own === own)!;
    expect(flow.passed).toBeUndefined();
    flow.passed = flow.bytes;
    flow.timesDone++;
  }
}

/** All flows rise together; who meets a full link or his cap stays there. Slow, and plain enough to be believed. */
function slowMaxMin(rates: readonly number[], flows: readonly Flow[]): number[] {
  const reached = flows.map(() => 0);
  let rising = flows.map((_, index) => index);
  while (rising.length > 0) {
    const left = rates.map(
      (rate, link) => rate - flows.reduce((sum, flow, i) => sum + (flow.links.includes(link) ? reached[i]! : 0), 0),
    );
    const risers = rates.map((_, link) => rising.filter((i) => flows[i]!.links.includes(link)).length);
    const rooms = rising.map((i) => {
      const flow = flows[i]!;
      return Math.min(flow.cap - reached[i]!, ...flow.links.map((link) => left[link]! / risers[link]!));
    });
    const step = Math.max(0, Math.min(...rooms));
    if (step === Number.POSITIVE_INFINITY) {
      for (const i of rising) reached[i] = Number.POSITIVE_INFINITY;
      return reached;
    }
    for (const i of rising) reached[i]! += step;
    rising = rising.filter((_, at) => rooms[at]! > step + 1e-10 * (step + 1));
  }
  return reached;
}

describe('a network of flows, whatever is asked of it', () => {
  test('at quantum 0 each flow has its max-min fair rate at every time', () => {
    fc.assert(
      fc.property(linkRates, calls, (ratesAtFirst, story) => {
        const told = new Story(ratesAtFirst, 0);
        for (const call of story) {
          const untilMs = told.queue.nowMs + call.afterMs;
          told.queue.at(untilMs, () => told.perform(call));
          while (told.queue.runNext(untilMs));
          const flows = told.living;
          for (const [index, expected] of slowMaxMin(told.rates, flows).entries()) {
            const rate = told.network.linkRateNow(flows[index]!.own);
            expect(Math.abs(rate - expected)).toBeLessThanOrEqual(1e-9 * expected);
          }
          expect(told.network.flows).toBe(flows.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  test.for([0, 1, 40, 1_000])(
    'no link or cap is exceeded, links carry what their flows pass, and every flow ends once (quantum %d)',
    (quantumMs) => {
      fc.assert(
        fc.property(linkRates, calls, (ratesAtFirst, story) => {
          const told = new Story(ratesAtFirst, quantumMs);
          const carried = told.rates.map(() => 0);
          let beforeMs = 0;
          const check = (): void => {
            expect(told.queue.nowMs).toBeGreaterThanOrEqual(beforeMs);
            beforeMs = told.queue.nowMs;
            for (const [index, link] of told.links.entries()) {
              expect(told.network.linkRateNow(link)).toBeLessThanOrEqual(told.rates[index]! * (1 + 1e-12));
              const users = told.flows.filter((flow) => flow.links.includes(index));
              const passed = users.reduce((sum, flow) => sum + (flow.passed ?? told.network.passedBytes(flow.id)), 0);
              const bytes = told.network.linkBytes(link);
              expect(Math.abs(bytes - passed)).toBeLessThanOrEqual(1e-6);
              expect(bytes).toBeGreaterThanOrEqual(carried[index]! - 1e-6);
              carried[index] = bytes;
            }
            for (const flow of told.living) {
              // A flow's own link is without limit, so that nothing takes out the rounding of larger rates before.
              expect(told.network.linkRateNow(flow.own)).toBeLessThanOrEqual(flow.cap + 1e-9);
            }
          };
          for (const call of story) {
            const untilMs = told.queue.nowMs + call.afterMs;
            told.queue.at(untilMs, () => told.perform(call));
            while (told.queue.runNext(untilMs)) check();
          }
          // Whatever stood still can go on: now all that were not cancelled must end.
          for (let index = 0; index < LINKS; index++) told.setLinkRate(index, 500);
          for (const flow of told.living) told.network.setFlowCap(flow.id, (flow.cap = 200));
          const expected = told.living.map(({ id }) => id);
          while (told.queue.runNext(Number.POSITIVE_INFINITY)) check();
          expect(told.network.flows).toBe(0);
          expect(told.living).toEqual([]);
          for (const flow of told.flows) expect(flow.timesDone).toBeLessThanOrEqual(1);
          expect(told.flows.filter(({ id, timesDone }) => expected.includes(id) && timesDone === 1)).toHaveLength(
            expected.length,
          );
          for (const link of told.links) expect(told.network.linkRateNow(link)).toBe(0);
        }),
        { numRuns: 100 },
      );
    },
  );
});

describe('a storm of flows', () => {
  const PIECE_BYTES = 1_000;
  const HOST_RATE = 100_000;

  /** Hosts fetch pieces from the next host that serves fewer than `parallel`, as many at once; when each ended. */
  function storm(quantumMs: number, hosts: number, parallel: number, pieces: number): Float64Array {
    const queue = createEventQueue();
    const network = createFlowNetwork(queue, { quantumMs });
    const uplinks = Array.from({ length: hosts }, () => network.addLink(HOST_RATE));
    const downlinks = Array.from({ length: hosts }, () => network.addLink(HOST_RATE));
    const endsMs = new Float64Array(hosts * pieces);
    const served = new Int32Array(hosts);
    const fetch = (host: number, piece: number): void => {
      if (piece >= pieces) return;
      let sender = (piece * 7 + host * 3) % hosts;
      for (let tries = 0; tries < hosts && (sender === host || served[sender]! >= parallel); tries++) {
        sender = (sender + 1) % hosts;
      }
      served[sender]!++;
      network.start([uplinks[sender]!, downlinks[host]!], PIECE_BYTES, () => {
        served[sender]!--;
        endsMs[host * pieces + piece] = queue.nowMs;
        queue.at(queue.nowMs + 1.3, () => fetch(host, piece + parallel));
      });
    };
    for (let host = 0; host < hosts; host++) for (let piece = 0; piece < parallel; piece++) fetch(host, piece);
    while (queue.runNext(Number.POSITIVE_INFINITY));
    for (const link of downlinks) expect(network.linkBytes(link)).toBeCloseTo(pieces * PIECE_BYTES, 6);
    return endsMs;
  }

  test('a quantum of an eighth of a piece changes makespan and mean by less than 1 %', () => {
    const pieceMs = (PIECE_BYTES / HOST_RATE) * 1_000;
    const exactMs = storm(0, 30, 8, 100);
    const coarseMs = storm(pieceMs / 8, 30, 8, 100);
    // Short of the bound it would show little: this storm keeps its links busy.
    expect(Math.max(...exactMs) / (100 * pieceMs)).toBeLessThan(1.15);
    expect(Math.abs(Math.max(...coarseMs) / Math.max(...exactMs) - 1)).toBeLessThan(0.01);
    expect(Math.abs(meanOf(coarseMs) / meanOf(exactMs) - 1)).toBeLessThan(0.01);
  });

  test.for([0, 1.25])('the same calls end at the same times, to the last bit (quantum %d)', (quantumMs) => {
    const first = storm(quantumMs, 12, 8, 60);
    expect(Math.min(...first)).toBeGreaterThan(0);
    expect(storm(quantumMs, 12, 8, 60)).toEqual(first);
  });
});

function meanOf(numbers: Float64Array): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
