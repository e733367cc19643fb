import { limits } from '@quarry/content';

/** Every bound of the protocol in one place; decoders check against these before they allocate. PROTOCOL.md repeats them, a test compares. */
export interface ProtocolLimits {
  readonly maxPeerIdBytes: number;
  readonly maxZoneBytes: number;
  readonly maxAddresses: number;
  readonly maxAddressBytes: number;
  readonly maxTtlMs: number;
  readonly maxHints: number;
  readonly maxMemberBytes: number;
  readonly maxHelloBytes: number;
  readonly maxHavesPacks: number;
  readonly maxWants: number;
  readonly maxHavesBytes: number;
  readonly maxAskPacks: number;
  readonly maxDistrusts: number;
  readonly maxAskBytes: number;
  readonly maxGetHavesPacks: number;
  readonly maxNeedsPacks: number;
  readonly maxNeedsBytes: number;
  readonly maxRecords: number;
  readonly maxRecordsBytes: number;
  readonly maxRedirects: number;
  readonly maxPieceAnswerBytes: number;
  readonly maxAskAnswerBytes: number;
  readonly maxBudgetBytes: number;
  readonly maxBudgetMs: number;
  readonly maxBulkPlaces: number;
  readonly maxBulkOfferBytes: number;
  readonly maxImagesNews: number;
  readonly maxImagesBytes: number;
  readonly maxKnownImagesBytes: number;
  readonly maxHoldBytes: number;
}

const PIECE_SET_BYTES = 1 + 32 + 2 + limits.maxPiecesPerPack * 3;

export const protocolLimits: ProtocolLimits = Object.freeze({
  maxPeerIdBytes: 128,
  maxZoneBytes: 64,
  maxAddresses: 16,
  maxAddressBytes: 255,
  maxTtlMs: 3_600_000,
  /** Members that an answer to a hello names. */
  maxHints: 32,
  maxMemberBytes: 8192,
  maxHelloBytes: 192 * 1024,
  /** Packs in one message about who has what. */
  maxHavesPacks: 256,
  maxWants: 1024,
  maxHavesBytes: 256 * (32 + PIECE_SET_BYTES) + 1024 * 8 + 64,
  maxAskPacks: 128,
  /** Peers that one ask names as liars. */
  maxDistrusts: 32,
  maxAskBytes: 128 * (32 + 2 * PIECE_SET_BYTES + 33) + 32 * 129 + 16,
  maxGetHavesPacks: 256,
  /** Packs in a request for needs, or its answer. */
  maxNeedsPacks: 1024,
  maxNeedsBytes: 1024 * (32 + 2 * PIECE_SET_BYTES) + 8,
  maxRecords: 256,
  maxRecordsBytes: 256 * (limits.maxImageRecordBytes + 2) + 16,
  maxRedirects: 8,
  /** Status, encoding, and a piece of the largest kind. */
  maxPieceAnswerBytes: 16 + limits.maxPieceBytes,
  /** The larger of a piece with its name and what a seeder lacks. */
  maxAskAnswerBytes: 64 + limits.maxPieceBytes,
  /** An ask for a part of the origin budget, or its answer. */
  maxBudgetBytes: 96,
  /** A lease, and a promise of a share. */
  maxBudgetMs: 600_000,
  /** Where bulk connections are accepted. */
  maxBulkPlaces: 4,
  maxBulkOfferBytes: 2048,
  /** Images in one message about who has which and which are gone. */
  maxImagesNews: 512,
  maxImagesBytes: 512 * (1 + 32 + 32) + 16,
  maxKnownImagesBytes: 512 * (129 + 8 + 1 + 32 + 32) + 16,
  /** A record and a manifest: of an image of 100 GB however scattered it lies. It is in memory before anybody has decided whether to take it. */
  maxHoldBytes: 8 * 1024 * 1024,
});
