import type { ImageRef, ManifestId } from '../ids.ts';
import type { ImageHash } from '../image-hash.ts';
import type { ImageRecord } from '../image-record.ts';
import type { Manifest } from '../manifest.ts';
import type { Waiting } from './pack-store.ts';

/**
 * What this host knows of images. Laws: `putManifest` is idempotent (a manifest is its id); `putRecord` keeps, per (ref, publisher), the record
 * with the latest publishedAtMs and resolves to whether it was kept; it does not check signatures: who puts, has checked.
 * Durable when resolved. After `close` every call rejects with STORE_CLOSED.
 */
export interface ImageCatalog {
  putManifest(manifest: Manifest, waiting?: Waiting): Promise<void>;
  findManifest(id: ManifestId, waiting?: Waiting): Promise<Manifest | undefined>;
  putRecord(record: ImageRecord, waiting?: Waiting): Promise<boolean>;
  /** All records for a ref, latest first; usually one. */
  findRecords(ref: ImageRef, waiting?: Waiting): Promise<readonly ImageRecord[]>;
  /** In order of ref. */
  listRecords(waiting?: Waiting): AsyncIterable<ImageRecord>;
  /**
   * Calls back after each change of a ref's records, once it is durable and before who made it goes on, with all records that the ref has now. Changes of one
   * ref are told in their order. The listener must not throw. Returns what ends it.
   */
  onChange(listener: (ref: ImageRef, records: readonly ImageRecord[]) => void): () => void;
  /** Forgets the ref, or those of its records that `where` is true of; a manifest that no record names goes with them. Resolves to how many went. */
  removeRecords(
    ref: ImageRef,
    options?: Waiting & { readonly where?: ((record: ImageRecord) => boolean) | undefined },
  ): Promise<number>;
  /** Remembers that the whole image was held against this hash and had it; goes with the manifest. Nothing is remembered of an unknown manifest. */
  markVerified(id: ManifestId, hash: ImageHash, waiting?: Waiting): Promise<void>;
  /** What the image was last found to hash to, on this host; undefined if nobody has looked. */
  findVerified(id: ManifestId, waiting?: Waiting): Promise<ImageHash | undefined>;
}
