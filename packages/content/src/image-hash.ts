/** Glance's (os_hash_algo, os_hash_value): what binds an image's content, together with its size. Never the image's id alone. */
export interface ImageHash {
  readonly algorithm: 'sha512' | 'sha256' | 'sha384' | 'blake2b512';
  /** Lower-case hex. */
  readonly value: string;
}
