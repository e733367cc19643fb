import type { EventQueue } from '../engine/event-queue.ts';
import type { FlowNetwork } from '../engine/flow-network.ts';
import type { Topology } from './topology.ts';
import type { Wire } from './wire.ts';

/** Both ends give an answer up of which nothing moves for so long: the network's idleTimeoutMs. */
const IDLE_TIMEOUT_MS = 10_000;

/** Bytes on their way between two endpoints. Stands still while they cannot reach each other, and breaks when that lasts. */
export interface Transfer {
  readonly from: number;
  readonly to: number;
  readonly startedAtMs: number;
  /** So far. */
  readonly passedBytes: () => number;
  /** At most so fast: a paced stream. */
  readonly setCap: (bytesPerSecond: number) => void;
  /** Returns the bytes that had passed. */
  readonly cancel: () => number;
}

export interface TransferOptions {
  /** At most so fast: a paced stream. */
  readonly capBytesPerSecond?: number | undefined;
  /** What it carries, for whoever watches; the pack by its number in the storm. */
  readonly piece?: { readonly pack: number; readonly piece: number } | undefined;
  /** Nothing moved for too long: it will not be done any more. Without, it waits for as long as it takes. */
  readonly broken?: (() => void) | undefined;
  /** What each slice has to pass: see `pacedTransfers`. */
  readonly gate?: TransferGate | undefined;
}

export interface TransferGate {
  readonly isLimited: boolean;
  /** Runs `taken` when so many bytes may go. Returns how to give up. */
  take(bytes: number, taken: () => void): () => void;
}

export interface Transfers {
  start(from: number, to: number, bytes: number, done: () => void, options?: TransferOptions): Transfer;
}

interface Running {
  readonly from: number;
  readonly to: number;
  readonly broken: (() => void) | undefined;
  cap: number;
  isHeldUp: boolean;
  timer: number | undefined;
}

export function createTransfers(deps: {
  readonly net: FlowNetwork;
  readonly wire: Wire;
  readonly topology: Topology;
  readonly queue: EventQueue;
}): Transfers {
  const { net, wire, topology, queue } = deps;
  const running = new Map<number, Running>();
  /** Ends it unless it moves again by then. */
  const watch = (flow: number, one: Running): void => {
    if (!one.broken) return;
    one.timer = queue.at(queue.nowMs + IDLE_TIMEOUT_MS, () => {
      running.delete(flow);
      net.cancel(flow);
      one.broken?.();
    });
  };
  const unwatch = (one: Running): void => {
    if (one.timer !== undefined) queue.cancel(one.timer);
    one.timer = undefined;
  };
  wire.onChange(() => {
    for (const [flow, one] of running) {
      const isHeldUp = wire.isHeldUp(one.from, one.to);
      if (isHeldUp === one.isHeldUp) continue;
      one.isHeldUp = isHeldUp;
      net.setFlowCap(flow, isHeldUp ? 0 : one.cap);
      if (isHeldUp) watch(flow, one);
      else unwatch(one);
    }
  });
  return {
    start(from, to, bytes, done, options = {}) {
      const cap = options.capBytesPerSecond ?? Infinity;
      const { broken } = options;
      const one: Running = { from, to, cap, isHeldUp: wire.isHeldUp(from, to), broken, timer: undefined };
      const flow = net.start(
        topology.path(from, to),
        bytes,
        () => {
          running.delete(flow);
          unwatch(one);
          done();
        },
        one.isHeldUp ? 0 : cap,
      );
      running.set(flow, one);
      if (one.isHeldUp) watch(flow, one);
      return {
        from,
        to,
        startedAtMs: queue.nowMs,
        passedBytes: () => net.passedBytes(flow),
        setCap(bytesPerSecond) {
          one.cap = bytesPerSecond;
          if (!one.isHeldUp) net.setFlowCap(flow, bytesPerSecond);
        },
        cancel() {
          if (!running.delete(flow)) return 0;
          unwatch(one);
          return net.cancel(flow);
        },
      };
    },
  };
}
