import type { Manifest } from '@quarry/content';
import type { ChunkReaderDeps } from './chunk-reader.ts';
import { rangeOf } from './image-range.ts';
import { imageDefaults } from './options.ts';
import { verifiedSteps } from './verified-steps.ts';

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** First byte; default 0. */
  readonly offset?: number;
  /** Default: to the image's end. */
  readonly length?: number;
}

const zeros = new Uint8Array(imageDefaults.stepBytes);

/**
 * The bytes of an image, each chunk hashed before any of it comes out, in buffers of 1 byte to 1 MiB. Buffers must not be changed: those of zeros are shared.
 * Ends after exactly `length` bytes or rejects; stopping early ends all that is under way.
 * @throws ImageError IMAGE_BAD_RANGE, and as rebuildImage
 */
export async function* readImage(
  deps: ChunkReaderDeps,
  manifest: Manifest,
  options: ReadOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options;
  const { from, to } = rangeOf(manifest.imageBytes, options);
  if (from === to) return;
  const lease = deps.store.lease(manifest.packs);
  try {
    for await (const step of verifiedSteps(deps, manifest, { from, to, signal })) {
      const first = Math.max(from, step.offset) - step.offset;
      const last = Math.min(to, step.offset + step.length) - step.offset;
      if (step.bytes) yield step.bytes.subarray(first, last);
      else
        for (let at = first; at < last; at += zeros.length) yield zeros.subarray(0, Math.min(zeros.length, last - at));
    }
  } finally {
    lease.release();
  }
}
