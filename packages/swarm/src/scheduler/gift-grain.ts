import { createSmoothed } from './smoothed.ts';

/**
 * How many chunks of a piece a seeder gives at once. All that is new to the hosts waits until it has left completely, so on slow links it leaves in parts;
 * where a chunk is gone in no time parts would only be more answers.
 */
export interface GiftGrain {
  /** A power of 2. */
  readonly chunks: number;
  /** So many chunks took so long to leave. */
  sent(chunks: number, tookMs: number): void;
}

const MAX_CHUNKS = 16;
/** A part takes at least so long to leave, among the others that leave with it. */
const MIN_GIFT_MS = 150;

export function createGiftGrain(minChunks: number): GiftGrain {
  const chunkMs = createSmoothed(MIN_GIFT_MS);
  return {
    get chunks() {
      let chunks = minChunks;
      while (chunks < MAX_CHUNKS && chunks * chunkMs.mean < MIN_GIFT_MS) chunks *= 2;
      return chunks;
    },
    sent: (chunks, tookMs) => chunkMs.observe(tookMs / chunks),
  };
}
