import { fixed64k } from '../cutter-spec.ts';
import { imageRef, publicDomain } from '../ids.ts';
import type { ImageRecord } from '../image-record.ts';
import { limits } from '../limits.ts';
import { createManifestBuilder } from '../manifest-builder.ts';
import type { Manifest } from '../manifest.ts';
import { samplePack } from './sample-pack.ts';

/** A small manifest with zeros and chunks; same seed, same manifest. */
export function sampleManifest(seed: number): Manifest {
  const { descriptor } = samplePack({ seed, chunkCount: 3 });
  const builder = createManifestBuilder({ domain: publicDomain, cutter: fixed64k });
  builder.addChunk(descriptor.id, 1, limits.fixedChunkBytes);
  builder.addZeros(limits.fixedChunkBytes * seed);
  builder.addChunk(descriptor.id, 0, 1000);
  return builder.build({ hash: { algorithm: 'sha256', value: 'ab'.repeat(32) } });
}

export interface SampleRecordOptions {
  /** Default `image`. */
  readonly ref?: string;
  /** Which publisher; default 1. */
  readonly publisher?: number;
  /** Seed of the sample manifest that the record names; default 1. */
  readonly manifest?: number;
  readonly publishedAtMs?: number;
}

/** A record of the right form, whose signature is none: for what keeps records and does not judge them. */
export function sampleRecord(options: SampleRecordOptions): ImageRecord {
  const manifest = sampleManifest(options.manifest ?? 1);
  return {
    ref: imageRef(options.ref ?? 'image'),
    domain: publicDomain,
    imageBytes: manifest.imageBytes,
    hash: manifest.hash,
    manifest: manifest.id,
    publishedAtMs: options.publishedAtMs ?? 1000,
    publisher: new Uint8Array(32).fill(options.publisher ?? 1),
    signature: new Uint8Array(64).fill(7),
  };
}
