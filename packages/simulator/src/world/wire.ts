import type { Random } from '@quarry/runtime';
import type { StormControl } from '@quarry/scenario';
import type { EventQueue } from '../engine/event-queue.ts';

/** Carries messages between endpoints: hosts by number, then seeders. What is held up by a stall or a partition arrives when that ends, as TCP has it. */
export interface Wire {
  /** Runs `deliver` a hop later, unless either has died by then. */
  send(from: number, to: number, deliver: () => void): void;
  /** How long a hop to this endpoint takes now. */
  hopMs(to: number): number;
  isHeldUp(a: number, b: number): boolean;
  isDead(endpoint: number): boolean;
  kill(endpoint: number): void;
  revive(endpoint: number): void;
  stall(endpoint: number, isStalled: boolean): void;
  isStalled(endpoint: number): boolean;
  /** Endpoints on another side are not reached. Sides add up over overlapping partitions. */
  partition(endpoints: ReadonlySet<number>): () => void;
  /** Everything at this endpoint takes so many times as long. */
  slowDown(endpoint: number, times: number): void;
  slowness(endpoint: number): number;
  /** Called when somebody can be reached again, or no more. */
  onChange(listener: () => void): void;
}

interface Held {
  readonly from: number;
  readonly to: number;
  readonly deliver: () => void;
}

export function createWire(queue: EventQueue, random: Random, control: StormControl): Wire {
  const dead = new Set<number>();
  const stalled = new Set<number>();
  const partitions = new Set<ReadonlySet<number>>();
  const slow = new Map<number, number>();
  const listeners: (() => void)[] = [];
  let held: Held[] = [];

  const isHeldUp = (a: number, b: number): boolean => {
    if (stalled.size > 0 && (stalled.has(a) || stalled.has(b))) return true;
    for (const side of partitions) if (side.has(a) !== side.has(b)) return true;
    return false;
  };
  const hopMs = (to: number): number =>
    control.hopMs * (slow.get(to) ?? 1) + (control.jitterMs > 0 ? control.jitterMs * random.next() : 0);
  const arrive = (message: Held): void => {
    const { from, to, deliver } = message;
    if (dead.has(from) || dead.has(to)) return;
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
  return {
    send(from, to, deliver) {
      if (dead.has(from) || dead.has(to)) return;
      const message = { from, to, deliver };
      queue.at(queue.nowMs + hopMs(to), () => arrive(message));
    },
    hopMs,
    isHeldUp,
    isDead: (endpoint) => dead.has(endpoint),
    kill(endpoint) {
      dead.add(endpoint);
      held = held.filter(({ from, to }) => from !== endpoint && to !== endpoint);
    },
    revive: (endpoint) => void dead.delete(endpoint),
    stall(endpoint, isStalled) {
      if (isStalled) stalled.add(endpoint);
      else stalled.delete(endpoint);
      changed();
    },
    isStalled: (endpoint) => stalled.has(endpoint),
    partition(endpoints) {
      partitions.add(endpoints);
      changed();
      return () => {
        partitions.delete(endpoints);
        changed();
      };
    },
    slowDown: (endpoint, times) => void slow.set(endpoint, times),
    slowness: (endpoint) => slow.get(endpoint) ?? 1,
    onChange: (listener) => void listeners.push(listener),
  };
}
