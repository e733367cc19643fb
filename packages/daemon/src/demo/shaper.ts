import { createTokenBucket, type Clock } from '@quarry/runtime';

/** One direction of one connection, as the shaper sees it. */
export interface ShapedFlow {
  /** Bytes that could be sent now; 0 while nothing is queued or the receiver is behind. */
  readyBytes(): number;
  /** Sends this many of them. */
  send(bytes: number): void;
}

/** Lets flows share one rate in turns; who has nothing ready costs the others nothing. */
export interface Shaper {
  /** Says that a flow may have become ready. Saying it twice changes nothing. */
  wake(flow: ShapedFlow): void;
  /** Forgets a flow; what was taken for its turn and not sent is given back. */
  remove(flow: ShapedFlow): void;
  /** Nothing is sent afterwards. */
  close(): void;
}

export interface ShaperOptions {
  readonly rateBytesPerSecond: number;
  /** What an idle link saves up, in bytes. */
  readonly burstBytes: number;
}

/** A late timer is made good by sending more at once, up to this much: a process that was stopped for a minute must not send a minute's worth. */
const MAX_LATE_MS = 250;
const MIN_QUANTUM_BYTES = 16 * 1024;
const MAX_QUANTUM_BYTES = 64 * 1024;

/**
 * Round robin with one shared bucket. The head of the line takes its tokens first and is sent when they are due, so the line's
 * order is kept and nobody overtakes. While anybody waits, the bucket's time is the time at which bytes were due, not the time at
 * which the timer woke us: timers are a millisecond late at best, which would cost a tenth of the rate.
 */
export function createShaper({ clock }: { readonly clock: Clock }, options: ShaperOptions): Shaper {
  const { rateBytesPerSecond, burstBytes } = options;
  let dueMs = clock.now();
  const bucket = createTokenBucket({ tokensPerSecond: rateBytesPerSecond, burst: burstBytes, nowMs: dueMs });
  // About two milliseconds of the link: short turns where it is slow, few calls where it is fast.
  const quantumBytes = Math.min(MAX_QUANTUM_BYTES, Math.max(MIN_QUANTUM_BYTES, Math.round(rateBytesPerSecond / 500)));
  const line = new Set<ShapedFlow>(); // in order of arrival
  let turn: { readonly flow: ShapedFlow; readonly bytes: number } | undefined;
  let cancelTimer: (() => void) | undefined;
  let isPumping = false;
  let isClosed = false;

  const nextTurn = (): typeof turn => {
    for (const flow of line) {
      line.delete(flow);
      const bytes = Math.min(quantumBytes, flow.readyBytes());
      if (bytes > 0) return { flow, bytes };
    }
    return undefined;
  };

  const pump = (): void => {
    if (isPumping || isClosed || cancelTimer) return;
    isPumping = true;
    const nowMs = clock.now();
    dueMs = turn ? Math.max(dueMs, nowMs - MAX_LATE_MS) : nowMs;
    for (;;) {
      if (!turn) {
        turn = nextTurn();
        if (!turn) break;
        dueMs += bucket.take(dueMs, turn.bytes);
      }
      const waitMs = dueMs - clock.now();
      if (waitMs > 0) {
        cancelTimer = clock.after(waitMs, () => {
          cancelTimer = undefined;
          pump();
        });
        break;
      }
      const { flow, bytes } = turn;
      turn = undefined;
      flow.send(bytes);
      if (isClosed) break;
      if (flow.readyBytes() > 0) line.add(flow);
    }
    isPumping = false;
  };

  return {
    wake(flow) {
      if (turn?.flow === flow) return; // joins the line again after its turn
      line.add(flow);
      pump();
    },
    remove(flow) {
      line.delete(flow);
      if (turn?.flow !== flow) return;
      bucket.refund(turn.bytes);
      turn = undefined;
      cancelTimer?.();
      cancelTimer = undefined;
      pump();
    },
    close() {
      isClosed = true;
      cancelTimer?.();
      line.clear();
      turn = undefined;
    },
  };
}
