import { createHash } from 'node:crypto';
import type { ImageRef, Origin, OriginImage } from '@quarry/content';
import { CodedError } from '@quarry/runtime';

export class MemoryOriginError extends CodedError {}

export interface MemoryOrigin extends Origin {
  readonly images: Map<ImageRef, Uint8Array>;
  /** Bytes that went out. */
  readonly sentBytes: number;
  readonly reads: readonly { readonly offset: number; readonly length: number }[];
}

/** An origin whose images lie in memory. `isDown` makes everything fail as a refused connection does. */
export function createMemoryOrigin(
  options: { readonly hasRanges?: boolean; readonly hasHashes?: boolean; readonly isDown?: () => boolean } = {},
): MemoryOrigin {
  const { hasRanges = true, hasHashes = true, isDown = () => false } = options;
  const images = new Map<ImageRef, Uint8Array>();
  const reads: { readonly offset: number; readonly length: number }[] = [];
  let sentBytes = 0;
  const enter = (): void => {
    if (isDown()) throw new MemoryOriginError('ORIGIN_UNAVAILABLE', 'the origin is down', { canRetry: true });
  };
  const hashOf = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex');
  const describe = (ref: ImageRef): OriginImage => {
    enter();
    const bytes = images.get(ref);
    if (!bytes) throw new MemoryOriginError('ORIGIN_NOT_FOUND', `no image ${ref}`);
    const value = hashOf(bytes);
    const hash = hasHashes ? { algorithm: 'sha512' as const, value } : undefined;
    return { ref, name: ref, imageBytes: bytes.length, hash, format: undefined, version: value };
  };
  return {
    kind: 'memory',
    images,
    reads,
    get sentBytes() {
      return sentBytes;
    },
    describe: async (ref) => describe(ref),
    async *list() {
      for (const ref of images.keys()) yield describe(ref);
    },
    async *open(image, { offset = 0, length = image.imageBytes - offset, signal } = {}) {
      reads.push({ offset, length });
      for (let at = offset; at < offset + length; at += 65536) {
        signal?.throwIfAborted();
        enter();
        const bytes = images.get(image.ref);
        if (!bytes || hashOf(bytes) !== image.version)
          throw new MemoryOriginError('ORIGIN_CHANGED', `image ${image.ref} changed`);
        const buffer = bytes.slice(at, Math.min(at + 65536, offset + length));
        sentBytes += buffer.length;
        yield buffer;
      }
    },
    canRange: () => hasRanges,
    async close() {},
  };
}
