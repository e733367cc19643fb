import { imageRef } from '@quarry/content';
import type { Domain, EncodingChoice, Origin, PackLease } from '@quarry/content';
import { createSourcePool, ingestImage } from '@quarry/image';
import type { IngestDeps } from '@quarry/image';
import { errorCode } from '@quarry/runtime';
import type { Cancellable, Progressing, SeedReport } from '../daemon.ts';
import type { Metrics } from '../metrics/metrics.ts';

/** Where one image is read from when it is seeded. */
export interface SeedSource {
  readonly origin: Origin;
  readonly ref: string;
}

export interface SeedDeps extends IngestDeps {
  /** The domain of what is ingested from an origin that does not say whose it is. */
  readonly domain: Domain;
  readonly encoding: EncodingChoice;
  readonly metrics: Metrics;
}

/** Ingests images one after another; what is seeded stays while this process runs, whatever the store's budget. */
export interface Seeding {
  seed(sources: readonly SeedSource[], options: Cancellable & Progressing): Promise<SeedReport>;
}

export function createSeeding(deps: SeedDeps): Seeding {
  const { store, metrics, logger } = deps;
  const seeded = new Map<string, PackLease>();

  const seedOne = async (
    { origin, ref }: SeedSource,
    { signal, onProgress }: Cancellable & Progressing,
  ): Promise<SeedReport['images'][number]> => {
    const image = await origin.describe(imageRef(ref), { signal });
    const pool = createSourcePool();
    const bytes = origin.open(image, { signal, pool });
    const { manifest, report } = await ingestImage(
      deps,
      {
        ref: image.ref,
        domain: image.domain ?? deps.domain,
        bytes,
        pool,
        imageBytes: image.imageBytes,
        expectedHash: image.hash,
      },
      {
        signal,
        encoding: deps.encoding,
        onProgress: ({ readBytes }) =>
          onProgress?.({ step: 'ingesting', image: image.ref, doneBytes: readBytes, totalBytes: image.imageBytes }),
      },
    );
    const earlier = seeded.get(ref);
    seeded.set(ref, store.lease(manifest.packs));
    earlier?.release();
    metrics.count('quarry_ingested_images_total', 1, { result: 'ok' });
    metrics.count('quarry_ingested_bytes_total', report.imageBytes);
    return {
      image: image.ref,
      imageBytes: report.imageBytes,
      newBytes: report.newBytes,
      durationMs: report.durationMs,
    };
  };

  return {
    async seed(sources, options) {
      const images: SeedReport['images'][number][] = [];
      const failures: SeedReport['failures'][number][] = [];
      for (const source of sources) {
        try {
          images.push(await seedOne(source, options));
        } catch (error) {
          options.signal?.throwIfAborted();
          metrics.count('quarry_ingested_images_total', 1, { result: 'failed' });
          logger.error('image not seeded', { image: source.ref, error });
          failures.push({
            image: source.ref,
            code: errorCode(error) ?? 'INTERNAL',
            message: error instanceof Error ? error.message : String(error),
          });
        }
      }
      return { images, failures };
    },
  };
}
