import { createTokenBucket } from '@quarry/runtime';
import type { Clock, TokenBucket } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';

const MAX_PEERS = 16_384;

/** How often each peer may ask: so many at once, and then so many a second. What is too much is not counted. */
export function createAskBounds(
  clock: Clock,
  options: { readonly burst: number; readonly perSecond: number },
): (peer: PeerId) => boolean {
  const buckets = new Map<PeerId, TokenBucket>();
  return (peer) => {
    const nowMs = clock.now();
    const bucket =
      buckets.get(peer) ?? createTokenBucket({ tokensPerSecond: options.perSecond, burst: options.burst, nowMs });
    // In order of their last asks; who has not asked for longest has most saved up.
    buckets.delete(peer);
    buckets.set(peer, bucket);
    if (buckets.size > MAX_PEERS) for (const oldest of [...buckets.keys()].slice(0, 1)) buckets.delete(oldest);
    if (bucket.take(nowMs, 1) === 0) return true;
    bucket.refund(1);
    return false;
  };
}
