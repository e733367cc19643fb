import type { Clock } from '@quarry/runtime';
import type { SchedulerLoad } from '../scheduler/fetch-scheduler.ts';
import type { LinkPace } from '../scheduler/link-pace.ts';
import type { TransferObserver } from './transfer-events.ts';

const SAMPLE_EVERY_MS = 100;

/** To be called after each event: tells the observer now and then how the fetches stand. Undefined where nobody observes. */
export function createLoadSampler(
  deps: { readonly clock: Clock; readonly linkPace: LinkPace; readonly observe?: TransferObserver | undefined },
  load: () => SchedulerLoad,
): (() => void) | undefined {
  const { clock, linkPace, observe } = deps;
  if (!observe) return undefined;
  let nextAtMs = -Infinity;
  return () => {
    const atMs = clock.now();
    if (atMs < nextAtMs) return;
    const { fetches, requests, landing, asks, unmetPieces, parkedPeers } = load();
    nextAtMs = atMs + SAMPLE_EVERY_MS;
    if (fetches === 0) return;
    const { window } = linkPace.slots;
    observe({ kind: 'load', atMs, requests, window, landing, asks, unmetPieces, parkedPeers: parkedPeers.length });
  };
}
