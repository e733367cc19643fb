/**
 * content: the nouns and what is pure about them. An image is cut into chunks (cutter), chunks are kept in packs (pack-descriptor, chunk-set),
 * a manifest tells how chunks make an image again, an image-record says who vouches for it. FORMAT.md gives every byte.
 * `ports/` are the shapes that store, origin and swarm implement and image uses.
 */
export { ByteReader, checkEncodedBytes } from './byte-reader.ts';
export { ByteWriter } from './byte-writer.ts';
export { cdc64k, fixed64k } from './cutter-spec.ts';
export type { CutterSpec } from './cutter-spec.ts';
export { chooseCutter } from './choose-cutter.ts';
export * from './chunk-set.ts';
export { ContentError } from './content-error.ts';
export type { ContentErrorCode, ContentErrorOptions } from './content-error.ts';
export { createCutter } from './cutter.ts';
export type { Cutter } from './cutter.ts';
export { digestBackend, digestEquals, digestHex, digestOf, loadNativeDigest, loadPortableDigest } from './digest.ts';
export type { DigestBackend } from './digest.ts';
export { chunkNeeds, extentAt, extentsOf, packMisuse } from './extents.ts';
export * from './ids.ts';
export { readImageHash, writeImageHash } from './image-hash-codec.ts';
export type { ImageHash } from './image-hash.ts';
export * from './image-key.ts';
export { decodeImageRecord, encodeImageRecord, signImageRecord, verifyImageRecord } from './image-record-codec.ts';
export type { ImageRecordFields } from './image-record-codec.ts';
export type { ImageRecord, Signer } from './image-record.ts';
export { limits } from './limits.ts';
export { createManifestBuilder } from './manifest-builder.ts';
export type { ManifestBuilder } from './manifest-builder.ts';
export { decodeManifest, encodeManifest } from './manifest-codec.ts';
export type { Extent, ExtentTable, Manifest } from './manifest.ts';
export { createPackDescriptor, decodePackDescriptor, encodePackDescriptor } from './pack-codec.ts';
export * from './pack-descriptor.ts';
export { checkPackProof, makePackProof } from './pack-proof.ts';
export type { ProofPeers } from './pack-proof.ts';
export { packLocator, packSalt } from './pack-secret.ts';
export { chooseEncoding, measureEncoding, TYPICAL_RATIO, UNKNOWN_LINK_BYTES_PER_SECOND } from './choose-encoding.ts';
export type { ChosenEncoding, EncodingChoice, EncodingConditions } from './choose-encoding.ts';
export { decodePiece, encodePiece } from './piece-encoding.ts';
export type { Encoding } from './piece-encoding.ts';
export { decodeTicket, encodeTicket, signTicket, verifyTicket } from './ticket.ts';
export type { Ticket, TicketFields } from './ticket.ts';
export { sealPiece, verifyFrame, verifyPiece } from './verified-piece.ts';
export type { VerifiedPiece } from './verified-piece.ts';
export type * from './ports/image-catalog.ts';
export type * from './ports/origin.ts';
export type * from './ports/pack-store.ts';
export type * from './ports/swarm.ts';
export { isZero } from './zero.ts';
