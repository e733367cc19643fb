import type { ImageRef, ManifestId } from '../ids.ts';
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
  /** Forgets the ref; a manifest that no record names goes with it. */
  removeRecords(ref: ImageRef, waiting?: Waiting): Promise<number>;
  /**
   * Calls back after each change of a ref's records, once it is durable and before who made it goes on, with all records that the ref has now. Changes of one
   * ref are told in their order. The listener must not throw. Returns what ends it.
   */
  onChange(listener: (ref: ImageRef, records: readonly ImageRecord[]) => void): () => void;
}
