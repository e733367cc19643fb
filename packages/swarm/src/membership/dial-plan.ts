import type { PeerId } from '../ports/network.ts';
import { dialsFirst } from './neighbours.ts';
import type { Neighbour } from './neighbours.ts';

/** Which of the neighbours that are missing to dial now: bounded in number, later each time it fails. Pure. */
export interface DialPlan {
  /** `missing`: neighbours without a connection. Returns whom to dial, and counts them as being dialled. */
  next(missing: readonly Neighbour[], nowMs: number): PeerId[];
  ended(peer: PeerId, succeeded: boolean, nowMs: number): void;
}

export interface DialPlanOptions {
  readonly concurrentDials: number;
  /** How long the one that should not dial first waits for the other. */
  readonly yieldMs: number;
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

interface Attempt {
  failures: number;
  notBeforeMs: number;
}

export function createDialPlan(self: Neighbour, options: DialPlanOptions): DialPlan {
  const attempts = new Map<PeerId, Attempt>();
  const dialling = new Set<PeerId>();
  return {
    next(missing, nowMs) {
      const wanted = new Set(missing.map((neighbour) => neighbour.peer));
      for (const peer of attempts.keys()) if (!wanted.has(peer) && !dialling.has(peer)) attempts.delete(peer);
      const chosen: PeerId[] = [];
      for (const neighbour of missing) {
        const { peer } = neighbour;
        let attempt = attempts.get(peer);
        if (!attempt) {
          attempt = { failures: 0, notBeforeMs: nowMs + (dialsFirst(self, neighbour) ? 0 : options.yieldMs) };
          attempts.set(peer, attempt);
        }
        if (dialling.size >= options.concurrentDials || dialling.has(peer) || attempt.notBeforeMs > nowMs) continue;
        dialling.add(peer);
        chosen.push(peer);
      }
      return chosen;
    },
    ended(peer, succeeded, nowMs) {
      dialling.delete(peer);
      const attempt = attempts.get(peer);
      if (!attempt) return;
      attempt.failures = succeeded ? 0 : attempt.failures + 1;
      const pauseMs = Math.min(options.maxPauseMs, options.firstPauseMs * 2 ** Math.max(0, attempt.failures - 1));
      attempt.notBeforeMs = nowMs + pauseMs;
    },
  };
}
