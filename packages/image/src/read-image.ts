import type { Manifest } from '@quarry/content';
import type { ChunkReaderDeps } from './chunk-reader.ts';
import { ImageError } from './image-error.ts';
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
  const { signal, offset = 0 } = options;
  const { imageBytes } = manifest;
  const length = options.length ?? imageBytes - offset;
  const end = offset + length;
  if (
    !(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 && end <= imageBytes)
  ) {
    const message = `an image of ${imageBytes} bytes has no ${length} bytes from ${offset} on`;
    throw new ImageError('IMAGE_BAD_RANGE', message, { details: { offset, length, imageBytes } });
  }
  if (length === 0) return;
  const lease = deps.store.lease(manifest.packs);
  try {
    for await (const step of verifiedSteps(deps, manifest, { from: offset, to: end, signal })) {
      const first = Math.max(offset, step.offset) - step.offset;
      const last = Math.min(end, step.offset + step.length) - step.offset;
      if (step.bytes) yield step.bytes.subarray(first, last);
      else
        for (let at = first; at < last; at += zeros.length) yield zeros.subarray(0, Math.min(zeros.length, last - at));
    }
  } finally {
    lease.release();
  }
}
