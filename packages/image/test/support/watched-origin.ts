import type { Origin } from '@quarry/content';
import { CodedError } from '@quarry/runtime';

export interface WatchedOrigin extends Origin {
  /** Bytes that went out. */
  readonly sentBytes: number;
  readonly reads: readonly { readonly offset: number; readonly length: number }[];
}

/** The same origin, with what it was asked for. */
export function watchOrigin(origin: Origin): WatchedOrigin {
  const reads: { readonly offset: number; readonly length: number }[] = [];
  let sentBytes = 0;
  return {
    ...origin,
    reads,
    get sentBytes() {
      return sentBytes;
    },
    async *open(image, options = {}) {
      const { offset = 0, length = image.imageBytes - offset } = options;
      reads.push({ offset, length });
      for await (const buffer of origin.open(image, options)) {
        sentBytes += buffer.length;
        yield buffer;
      }
    },
  };
}

/** An origin that is configured and does not answer. */
export function createBrokenOrigin(): Origin {
  const refuse = (): never => {
    throw new CodedError('ORIGIN_UNAVAILABLE', 'connection refused', { canRetry: true });
  };
  return {
    kind: 'broken',
    describe: async () => refuse(),
    list: refuse,
    open: refuse,
    canRange: () => true,
    async close() {},
  };
}
