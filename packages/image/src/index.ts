/**
 * image: images to packs and back. `ingestImage` cuts an image and publishes it, `fetchImage` brings what it is made of onto this host, `rebuildImage`
 * and `readImage` put it together again, every chunk hashed on the way. Sees ports only.
 */
export { digestImage } from './digest-image.ts';
export type { DigestedBatch, DigestedImage } from './digest-image.ts';
export { ImageError } from './image-error.ts';
export type { ImageErrorCode } from './image-error.ts';
export { createSourcePool, ingestFromOrigin } from './ingest-from-origin.ts';
export type { OriginIngestOptions } from './ingest-from-origin.ts';
export { ingestImage } from './ingest-image.ts';
export type {
  ImageSource,
  IngestDeps,
  IngestOptions,
  IngestProgress,
  IngestReport,
  IngestResult,
  SeenImage,
} from './ingest-image.ts';
export { createCompute } from './threads/compute.ts';
export type { Compute, ComputeOptions } from './threads/compute.ts';
export { imageDefaults } from './options.ts';
export type { ImageDefaults } from './options.ts';
export { readImage } from './read-image.ts';
export type { ReadOptions } from './read-image.ts';
export { rebuildImage } from './rebuild-image.ts';
export type { RebuildDeps, RebuildOptions, RebuildProgress, RebuildReport } from './rebuild-image.ts';
export { openImage } from './open-image.ts';
export type { OpenedImage, OpenImageDeps, OpenImageOptions, OpenTarget } from './open-image.ts';
export { removeImage } from './remove-image.ts';
export type { RemovedImage } from './remove-image.ts';
export { verifyImageFile } from './verify-image-file.ts';
export type { ChunkReaderDeps } from './chunk-reader.ts';
export type { Trust } from './choose-record.ts';
export { fetchImage } from './fetch-image.ts';
export type {
  FetchedImage,
  FetchImageDeps,
  FetchImageOptions,
  FetchImageProgress,
  FetchImageReport,
} from './fetch-image.ts';
export { originPieceSource } from './origin-piece-source.ts';
export { packsUsedOnlyBy } from './packs-used-only-by.ts';
export { planFetch } from './plan-fetch.ts';
export type { FetchPlan, LocalCopy, PackCopies } from './plan-fetch.ts';
