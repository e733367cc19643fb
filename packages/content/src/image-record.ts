import type { Domain, ImageRef, ManifestId } from './ids.ts';
import type { ImageHash } from './image-hash.ts';

/**
 * A publisher's signed statement: "the image that is called `ref` has this size and hash, and this manifest rebuilds it".
 * It names the manifest by its BLAKE3, so signing the record signs the manifest and binds it to the name, which a signature
 * over the manifest alone would not do. Two images of equal content share one manifest and have two records.
 */
export interface ImageRecord {
  readonly ref: ImageRef;
  readonly domain: Domain;
  readonly imageBytes: number;
  readonly hash: ImageHash | undefined;
  readonly manifest: ManifestId;
  /** Unix milliseconds; of two records of one publisher for one ref the later counts. */
  readonly publishedAtMs: number;
  /** Raw Ed25519 public key, 32 bytes: the publisher's node identity. */
  readonly publisher: Uint8Array;
  /** Ed25519 over the record's canonical bytes without this field, after a context string (FORMAT.md). 64 bytes. */
  readonly signature: Uint8Array;
}

/** Signs with a node's identity. The key itself never leaves the implementation. */
export interface Signer {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}
