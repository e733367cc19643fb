import type { PeerId } from '../ports/network.ts';

/**
 * Who is served: so many at once, a few more in a queue, the others are told "busy" with the queue's length and come back. A long queue
 * would hide from the receiver that another holder is idle.
 */
export interface SenderSlots {
  /** A request has come. `serve` it, leave it in the queue (`queue`), or refuse it (`busy`). */
  arrive(request: number, peer: PeerId): SlotVerdict;
  /** A request was answered or cancelled; returns the request whose turn it is now. */
  leave(request: number): number | undefined;
  readonly serving: number;
  readonly queued: number;
}

export type SlotVerdict =
  | { readonly kind: 'serve' }
  | { readonly kind: 'queue' }
  | { readonly kind: 'busy'; readonly queueLength: number };

/** `capacity` is asked anew each time: it follows the link. */
export function createSenderSlots(capacity: () => { readonly slots: number; readonly queue: number }): SenderSlots {
  const serving = new Map<number, PeerId>();
  const queue = new Map<number, PeerId>();
  const servedTo = (peer: PeerId): number => {
    let count = 0;
    for (const other of serving.values()) if (other === peer) count += 1;
    return count;
  };
  /** In order of arrival, but a peer that is being served less comes before one that is being served more. */
  const next = (): number | undefined => {
    let best: number | undefined;
    let bestServed = Infinity;
    for (const [request, peer] of queue) {
      const served = servedTo(peer);
      if (served < bestServed) [best, bestServed] = [request, served];
    }
    return best;
  };
  return {
    arrive(request, peer) {
      const { slots, queue: places } = capacity();
      if (serving.size < slots) {
        serving.set(request, peer);
        return { kind: 'serve' };
      }
      if (queue.size >= places) return { kind: 'busy', queueLength: queue.size };
      queue.set(request, peer);
      return { kind: 'queue' };
    },
    leave(request) {
      if (queue.delete(request) || !serving.delete(request) || serving.size >= capacity().slots) return undefined;
      const admitted = next();
      if (admitted === undefined) return undefined;
      serving.set(admitted, queue.get(admitted) as PeerId);
      queue.delete(admitted);
      return admitted;
    },
    get serving() {
      return serving.size;
    },
    get queued() {
      return queue.size;
    },
  };
}
