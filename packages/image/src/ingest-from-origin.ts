import type { Domain, ImageHash, Origin, OriginImage } from '@quarry/content';
import { createBufferPool } from '@quarry/runtime';
import type { BufferPool } from '@quarry/runtime';
import { ingestImage } from './ingest-image.ts';
import type { IngestDeps, IngestOptions, IngestResult } from './ingest-image.ts';
import { imageDefaults } from './options.ts';

export interface OriginIngestOptions extends IngestOptions {
  readonly domain: Domain;
  /** Overrides the hash that the origin gives. */
  readonly expectedHash?: ImageHash | undefined;
  /** Computed and published where no hash is expected. */
  readonly hash?: ImageHash['algorithm'] | undefined;
}

/**
 * Ingests an image as it streams from its origin, and holds it against the size and hash that the origin gives for it.
 * @throws as ingestImage; an error of the origin is the `cause` of IMAGE_SOURCE_FAILED
 */
export function ingestFromOrigin(
  deps: IngestDeps & { readonly origin: Origin },
  image: OriginImage,
  options: OriginIngestOptions,
): Promise<IngestResult> {
  const { domain, signal, expectedHash = image.hash } = options;
  const pool = createSourcePool();
  const source = {
    ref: image.ref,
    domain,
    bytes: deps.origin.open(image, { signal, pool }),
    pool,
    imageBytes: image.imageBytes,
    expectedHash,
    hash: expectedHash ? undefined : options.hash,
  };
  return ingestImage(deps, source, options);
}

/** For an origin to read into: an ingest hashes and writes on other threads what lies in such buffers. */
export function createSourcePool(): BufferPool {
  const { blockBytes, maxReadAheadBytes, maxUnwrittenBytes } = imageDefaults;
  const maxFree = Math.ceil((maxReadAheadBytes + maxUnwrittenBytes) / blockBytes);
  return createBufferPool({ bufferBytes: blockBytes, maxFree, isShared: true });
}
