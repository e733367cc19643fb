import type { CutterSpec } from './cutter-spec.ts';
import type { Domain, ManifestId, PackId } from './ids.ts';
import type { ImageHash } from './image-hash.ts';

/** How an image is put together from packs. Immutable; named by the BLAKE3 of its canonical bytes (`encodeManifest`). */
export interface Manifest {
  readonly id: ManifestId;
  readonly imageBytes: number;
  /** Whose image this is. Its packs belong to this domain or to `public`. */
  readonly domain: Domain;
  readonly cutter: CutterSpec;
  /** The whole image's hash as the ingest saw it go by; undefined where nobody asked for it. */
  readonly hash: ImageHash | undefined;
  /** Packs in the order in which the extents first name them, each once. */
  readonly packs: readonly PackId[];
  /** Of those packs that are a project's, what whoever asks for them must know; in the order of `packs`. Empty for a public image. 32 bytes each. */
  readonly secrets: ReadonlyMap<PackId, Uint8Array>;
  readonly extents: ExtentTable;
}

/**
 * The extents in image order without gaps, as columns: a 20 GB image can have 300,000 of them.
 * Extent `i` covers the image's bytes from offsets[i] to offsets[i + 1] (the last: to imageBytes).
 */
export interface ExtentTable {
  readonly count: number;
  /** count + 1 entries; the last is imageBytes. Whole numbers below 2^44. */
  readonly offsets: Float64Array;
  /** Index into the manifest's packs, or -1 for a run of zeros. */
  readonly packs: Int32Array;
  /** First chunk within the pack; 0 for zeros. */
  readonly firstChunks: Uint16Array;
  /** Number of consecutive chunks; 0 for zeros. */
  readonly chunkCounts: Uint16Array;
}

export type Extent =
  | { readonly kind: 'zeros'; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'chunks';
      readonly offset: number;
      readonly length: number;
      readonly pack: PackId;
      readonly firstChunk: number;
      readonly chunkCount: number;
    };
