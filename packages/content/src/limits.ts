/** Every bound of the format in one place; decoders check against these before they allocate. FORMAT.md repeats them, a test compares. */
export const limits: Limits = Object.freeze({
  /** Bytes of a digest, a pack id, a manifest id (BLAKE3-256). */
  digestBytes: 32,
  /** Bytes of the salt of a project's pack. */
  saltBytes: 32,
  /** Bytes of a chunk where the cutter is `fixed-64k`; the last of an image may be shorter. */
  fixedChunkBytes: 64 * 1024,
  /** Smallest, mean and largest chunk of `cdc-64k`; the last of an image may be smaller than the smallest. */
  cdcMinBytes: 16 * 1024,
  cdcMeanBytes: 64 * 1024,
  cdcMaxBytes: 256 * 1024,
  /** No chunk is larger, whatever the cutter. */
  maxChunkBytes: 256 * 1024,
  maxChunksPerPack: 4096,
  maxPiecesPerPack: 256,
  maxChunksPerPiece: 16,
  /** 16 chunks of 256 KiB. */
  maxPieceBytes: 16 * 256 * 1024,
  /** Header, domain, salt, 4,096 digests and lengths: 4,096 × (32 + 3) + 128. */
  maxDescriptorBytes: 4096 * 35 + 128,
  maxManifestBytes: 64 * 1024 * 1024,
  maxManifestPacks: 1 << 17,
  maxManifestExtents: 1 << 22,
  /** 16 TiB. */
  maxImageBytes: 2 ** 44,
  /** UTF-8 bytes of an image's reference or name. */
  maxNameBytes: 255,
  maxDomainBytes: 96,
  maxImageRecordBytes: 2048,
  maxTicketBytes: 320,
  /** How much of an image the choice of its cutter looks at. */
  cutterHeadBytes: 1024 * 1024,
});

export interface Limits {
  readonly digestBytes: number;
  readonly saltBytes: number;
  readonly fixedChunkBytes: number;
  readonly cdcMinBytes: number;
  readonly cdcMeanBytes: number;
  readonly cdcMaxBytes: number;
  readonly maxChunkBytes: number;
  readonly maxChunksPerPack: number;
  readonly maxPiecesPerPack: number;
  readonly maxChunksPerPiece: number;
  readonly maxPieceBytes: number;
  readonly maxDescriptorBytes: number;
  readonly maxManifestBytes: number;
  readonly maxManifestPacks: number;
  readonly maxManifestExtents: number;
  readonly maxImageBytes: number;
  readonly maxNameBytes: number;
  readonly maxDomainBytes: number;
  readonly maxImageRecordBytes: number;
  readonly maxTicketBytes: number;
  readonly cutterHeadBytes: number;
}
