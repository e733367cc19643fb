import { createHash } from 'node:crypto';
import type { ImageRef } from '../ids.ts';
import type { Origin, OriginImage } from '../ports/origin.ts';
import { MemoryOriginError } from './memory-origin-error.ts';

export interface MemoryOrigin extends Origin {
  /** Puts an image there, or another in its place. The bytes are copied. */
  put(ref: ImageRef, bytes: Uint8Array): void;
  remove(ref: ImageRef): void;
}

export interface MemoryOriginOptions {
  /** Whether `open` can start in the middle; else it reads what lies before. Default: it can. */
  readonly hasRanges?: boolean;
  /** Whether images have a SHA-512, as Glance's have. Default: they have. */
  readonly hasHashes?: boolean;
  /** At most 8 MiB. Default: 64 KiB. */
  readonly bufferBytes?: number;
}

interface Entry {
  readonly bytes: Uint8Array;
  readonly image: OriginImage;
}

export function createMemoryOrigin(options: MemoryOriginOptions = {}): MemoryOrigin {
  const { hasRanges = true, hasHashes = true, bufferBytes = 64 * 1024 } = options;
  const entries = new Map<ImageRef, Entry>();
  let isClosed = false;
  const enter = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (isClosed) throw new MemoryOriginError('ORIGIN_CLOSED', 'this origin is closed');
  };
  const get = (ref: ImageRef): Entry => {
    const entry = entries.get(ref);
    if (!entry) throw new MemoryOriginError('ORIGIN_NOT_FOUND', `no image is called ${ref}`, { details: { ref } });
    return entry;
  };
  return {
    kind: 'memory',
    put(ref, bytes) {
      const value = createHash('sha512').update(bytes).digest('hex');
      const hash = hasHashes ? { algorithm: 'sha512' as const, value } : undefined;
      const image = { ref, name: ref, imageBytes: bytes.length, hash, format: undefined, version: value };
      entries.set(ref, { bytes: Uint8Array.from(bytes), image });
    },
    remove: (ref) => void entries.delete(ref),
    async describe(ref, { signal } = {}) {
      enter(signal);
      return get(ref).image;
    },
    async *list({ signal } = {}) {
      enter(signal);
      for (const { image } of entries.values()) {
        enter(signal);
        yield image;
      }
    },
    open(image, { offset = 0, length = image.imageBytes - offset, signal } = {}) {
      if (!(Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0))
        throw new TypeError(`not a range: ${length} bytes at ${offset}`);
      if (offset + length > image.imageBytes)
        throw new TypeError(`${length} bytes at ${offset} lie outside of an image of ${image.imageBytes}`);
      return (async function* read() {
        enter(signal);
        for (let at = offset; at < offset + length; at += bufferBytes) {
          enter(signal);
          const { bytes, image: now } = get(image.ref);
          if (now.version !== image.version)
            throw new MemoryOriginError('ORIGIN_CHANGED', `image ${image.ref} was replaced since it was described`, {
              details: { ref: image.ref },
            });
          yield bytes.slice(at, Math.min(at + bufferBytes, offset + length));
        }
      })();
    },
    canRange: () => hasRanges,
    async close() {
      isClosed = true;
    },
  };
}
