import type { BufferPool } from '@quarry/runtime';
import type { Domain, ImageRef } from '../ids.ts';
import type { ImageHash } from '../image-hash.ts';
import type { Waiting } from './pack-store.ts';

export interface OriginImage {
  readonly ref: ImageRef;
  /** What people call it; the ref where there is nothing else. */
  readonly name: string;
  readonly imageBytes: number;
  /** Glance's os_hash; undefined where the origin knows none. */
  readonly hash: ImageHash | undefined;
  /** Whose the image is, where the origin says so. */
  readonly domain?: Domain | undefined;
  /** `raw`, `qcow2`, … as the origin says; never trusted for cutting. */
  readonly format: string | undefined;
  /** Changes whenever the content may have changed (hash, ETag, mtime and size, …): reads are pinned to it. */
  readonly version: string;
}

/**
 * Where images come from outside the swarm. Laws:
 * - `open` streams bytes [offset, offset + length) of the version described, in order, each buffer at most 8 MiB and owned by the reader; it ends
 *   after exactly that many bytes or rejects. A changed image is ORIGIN_CHANGED, a short or silent one ORIGIN_TRUNCATED or ORIGIN_STALLED: never a
 *   shorter or mixed body without an error.
 * - A range is asked only where `canRange`; elsewhere `open` with an offset reads and discards, up to a bound of the
 *   implementation's, beyond which it rejects with ORIGIN_NO_RANGE. A range outside of the image is a TypeError.
 * - Rejections: ORIGIN_NOT_FOUND (404), ORIGIN_GONE (410), ORIGIN_UNAUTHORIZED (401), ORIGIN_FORBIDDEN (403), ORIGIN_NO_DATA (204),
 *   ORIGIN_UNAVAILABLE (5xx, refused, reset; can be retried), ORIGIN_BAD_ANSWER (anything else), ORIGIN_BAD_URL, ORIGIN_CLOSED.
 * - Nothing is retried inside: retry and budget are wrappers.
 */
export interface Origin {
  /** For messages, logs and reports: `directory`, `glance`, `glance-store`, `http`. */
  readonly kind: string;
  describe(ref: ImageRef, waiting?: Waiting): Promise<OriginImage>;
  /** Not every origin can list: then it rejects with ORIGIN_NO_LISTING. */
  list(waiting?: Waiting): AsyncIterable<OriginImage>;
  open(
    image: OriginImage,
    options?: Waiting & {
      readonly offset?: number;
      readonly length?: number;
      /** Where buffers may be taken from; the reader gives back what it has done with. A buffer of a pool goes out once, not in several views. */
      readonly pool?: BufferPool | undefined;
    },
  ): AsyncIterable<Uint8Array>;
  /** Whether `open` can start in the middle without reading what lies before it. May be learned by the first ranged read. */
  canRange(image: OriginImage): boolean;
  close(): Promise<void>;
}
