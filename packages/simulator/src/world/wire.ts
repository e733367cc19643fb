import type { Random } from '@quarry/runtime';
import type { StormControl } from '@quarry/scenario';
import type { EventQueue } from '../engine/event-queue.ts';

/** Carries messages between endpoints: hosts by number, then seeders. What is held up by a stall or a partition arrives when that ends, as TCP has it. */
export interface Wire {
  /** Runs `deliver` a hop later, unless either has died by then. */
  send(from: number, to: number, deliver: () => void): void;
  /** The same to many: one event where they all hear it at the same moment. */
  sendAll(from: number, to: readonly number[], deliver: (to: number) => void): void;
  /** How long a hop to this endpoint takes now. */
  hopMs(to: number): number;
  isHeldUp(a: number, b: number): boolean;
  /** When they last could not reach each other; -Infinity: never. */
  heldUpUntilMs(a: number, b: number): number;
  isDead(endpoint: number): boolean;
  /** What is on its way to or from it is lost. */
  kill(endpoint: number): void;
  /** The connection between the two breaks: what is on its way there is lost. */
  cut(a: number, b: number): void;
  revive(endpoint: number): void;
  stall(endpoint: number, isStalled: boolean): void;
  isStalled(endpoint: number): boolean;
  /** Endpoints on another side are not reached. Sides add up over overlapping partitions. */
  partition(endpoints: ReadonlySet<number>): () => void;
  /** Everything at this endpoint takes so many times as long. */
  slowDown(endpoint: number, times: number): void;
  slowness(endpoint: number): number;
  /** Called when somebody can be reached again, or no more; until the returned function is. */
  onChange(listener: () => void): () => void;
}

interface Held {
  readonly from: number;
  readonly to: number;
  readonly deliver: () => void;
  /** Of the connection that carries it. */
  readonly session: number;
}

export function createWire(queue: EventQueue, random: Random, control: StormControl): Wire {
  const dead = new Set<number>();
  const stalled = new Set<number>();
  const partitions = new Set<ReadonlySet<number>>();
  const stallEnds = new Map<number, number>();
  const partitionEnds: { readonly side: ReadonlySet<number>; readonly atMs: number }[] = [];
  const slow = new Map<number, number>();
  /** How often each endpoint has died, and each connection was cut. */
  const deaths = new Map<number, number>();
  const cuts = new Map<string, number>();
  const listeners = new Set<() => void>();
  let held: Held[] = [];

  const isHeldUp = (a: number, b: number): boolean => {
    if (stalled.size > 0 && (stalled.has(a) || stalled.has(b))) return true;
    for (const side of partitions) if (side.has(a) !== side.has(b)) return true;
    return false;
  };
  const hopMs = (to: number): number =>
    control.hopMs * (slow.get(to) ?? 1) + (control.jitterMs > 0 ? control.jitterMs * random.next() : 0);
  /** Another one after each death or cut: they only grow. */
  const sessionOf = (a: number, b: number): number => {
    if (deaths.size + cuts.size === 0) return 0;
    const cut = cuts.size === 0 ? 0 : (cuts.get(pairOf(a, b)) ?? 0);
    return (deaths.get(a) ?? 0) + (deaths.get(b) ?? 0) + cut;
  };
  const arrive = (message: Held): void => {
    const { from, to, deliver } = message;
    if (dead.has(from) || dead.has(to) || message.session !== sessionOf(from, to)) return;
    if (isHeldUp(from, to)) held.push(message);
    else deliver();
  };
  const changed = (): void => {
    const waiting = held;
    held = [];
    for (const message of waiting) {
      if (isHeldUp(message.from, message.to)) held.push(message);
      else queue.at(queue.nowMs + hopMs(message.to), () => arrive(message));
    }
    for (const listener of listeners) listener();
  };
  const send = (from: number, to: number, deliver: () => void): void => {
    if (dead.has(from) || dead.has(to)) return;
    const message = { from, to, deliver, session: sessionOf(from, to) };
    queue.at(queue.nowMs + hopMs(to), () => arrive(message));
  };
  return {
    send,
    sendAll(from, to, deliver) {
      if (control.jitterMs > 0 || slow.size + deaths.size + cuts.size > 0) {
        for (const one of to) send(from, one, () => deliver(one));
        return;
      }
      // Where nobody has died yet all hear it at the same moment, and on their first connection.
      queue.at(queue.nowMs + control.hopMs, () => {
        for (const one of to) arrive({ from, to: one, deliver: () => deliver(one), session: 0 });
      });
    },
    hopMs,
    isHeldUp,
    heldUpUntilMs(a, b) {
      if (isHeldUp(a, b)) return queue.nowMs;
      const ends = partitionEnds.filter(({ side }) => side.has(a) !== side.has(b)).map(({ atMs }) => atMs);
      return Math.max(-Infinity, stallEnds.get(a) ?? -Infinity, stallEnds.get(b) ?? -Infinity, ...ends);
    },
    isDead: (endpoint) => dead.has(endpoint),
    kill(endpoint) {
      dead.add(endpoint);
      deaths.set(endpoint, (deaths.get(endpoint) ?? 0) + 1);
      held = held.filter(({ from, to }) => from !== endpoint && to !== endpoint);
    },
    cut: (a, b) => void cuts.set(pairOf(a, b), (cuts.get(pairOf(a, b)) ?? 0) + 1),
    revive: (endpoint) => void dead.delete(endpoint),
    stall(endpoint, isStalled) {
      if (isStalled) stalled.add(endpoint);
      else if (stalled.delete(endpoint)) stallEnds.set(endpoint, queue.nowMs);
      changed();
    },
    isStalled: (endpoint) => stalled.has(endpoint),
    partition(endpoints) {
      partitions.add(endpoints);
      changed();
      return () => {
        partitions.delete(endpoints);
        partitionEnds.push({ side: endpoints, atMs: queue.nowMs });
        changed();
      };
    },
    slowDown: (endpoint, times) => void slow.set(endpoint, times),
    slowness: (endpoint) => slow.get(endpoint) ?? 1,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function pairOf(a: number, b: number): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
