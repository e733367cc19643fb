import type { FlowNetwork } from '../engine/flow-network.ts';
import type { Topology } from './topology.ts';
import type { Wire } from './wire.ts';

/** Bytes on their way between two endpoints. Stands still while they cannot reach each other. */
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
}

export interface Transfers {
  start(from: number, to: number, bytes: number, done: () => void, options?: TransferOptions): Transfer;
}

export function createTransfers(deps: {
  readonly net: FlowNetwork;
  readonly wire: Wire;
  readonly topology: Topology;
  readonly now: () => number;
}): Transfers {
  const { net, wire, topology, now } = deps;
  const running = new Map<number, { readonly from: number; readonly to: number; cap: number; isHeldUp: boolean }>();
  wire.onChange(() => {
    for (const [flow, one] of running) {
      const isHeldUp = wire.isHeldUp(one.from, one.to);
      if (isHeldUp === one.isHeldUp) continue;
      one.isHeldUp = isHeldUp;
      net.setFlowCap(flow, isHeldUp ? 0 : one.cap);
    }
  });
  return {
    start(from, to, bytes, done, options = {}) {
      const cap = options.capBytesPerSecond ?? Infinity;
      const one = { from, to, cap, isHeldUp: wire.isHeldUp(from, to) };
      const flow = net.start(
        topology.path(from, to),
        bytes,
        () => {
          running.delete(flow);
          done();
        },
        one.isHeldUp ? 0 : cap,
      );
      running.set(flow, one);
      return {
        from,
        to,
        startedAtMs: now(),
        passedBytes: () => net.passedBytes(flow),
        setCap(bytesPerSecond) {
          one.cap = bytesPerSecond;
          if (!one.isHeldUp) net.setFlowCap(flow, bytesPerSecond);
        },
        cancel() {
          running.delete(flow);
          return net.cancel(flow);
        },
      };
    },
  };
}
