import type { ChunkSet } from '../chunk-set.ts';
import type { Domain, ImageRef, ManifestId, PackId } from '../ids.ts';
import type { ImageHash } from '../image-hash.ts';
import type { ImageRecord } from '../image-record.ts';
import type { Manifest } from '../manifest.ts';
import type { PackDescriptor } from '../pack-descriptor.ts';
import type { VerifiedPiece } from '../verified-piece.ts';
import type { Waiting } from './pack-store.ts';

/** Where bytes came from, in the order in which a node prefers them. `seeder` and `origin` cross the store's link. */
export type SourceKind = 'local' | 'peer' | 'seeder' | 'origin';

/**
 * The other hosts. Laws: nothing that fails its digest or signature is ever returned or stored; who sent it is banned and another asked.
 * `find…` resolves to undefined when no connected peer knows it; all end with the signal's reason when it aborts.
 */
export interface Swarm {
  /**
   * Records for `ref` with good signatures from connected peers, seeders asked first; latest first. Trust in the publisher is the caller's matter.
   * With `imageBytes` and `hash`, which only those know whom the origin lets read the image, private images are found, too: the right to have the manifest
   * (a ticket of a minute) is kept inside for `findManifest`. An image that its owner withdrew is not found. With `domain` only records of that domain are looked for: of a
   * private image nobody is then told so much as its reference.
   */
  findRecords(
    ref: ImageRef,
    options?: Waiting & {
      readonly imageBytes?: number | undefined;
      readonly hash?: ImageHash | undefined;
      readonly domain?: Domain | undefined;
    },
  ): Promise<readonly ImageRecord[]>;
  /** A private one only while `findRecords` has found its record with the image's key within the last minute. */
  findManifest(id: ManifestId, waiting?: Waiting): Promise<Manifest | undefined>;
  /** A project's pack is given only to who knows its secret, which the manifest tells; without it nobody seems to know the pack. */
  findDescriptor(
    id: PackId,
    options?: Waiting & { readonly secret?: Uint8Array | undefined },
  ): Promise<PackDescriptor | undefined>;
  /**
   * Brings the wanted chunks into the store from peers and seeders and, when they cannot, from `lastResort`; one schedule over all packs, each piece
   * asked of one source at a time (hedged when it stalls). Fetches of one node share it: a piece that several want is fetched once.
   * Resolves when all are present; rejects with SWARM_NO_SOURCE (naming what nobody has) after `giveUpMs` without any progress.
   */
  fetch(
    wants: readonly PackWant[],
    options?: Waiting & {
      readonly lastResort?: PieceSource | undefined;
      readonly onProgress?: (progress: FetchProgress) => void;
    },
  ): Promise<FetchReport>;
}

export interface PackWant {
  readonly pack: PackId;
  readonly chunks: ChunkSet;
}

/** Chunks of one piece of a pack that is known from the context. */
export interface PieceWant {
  readonly piece: number;
  readonly mask: number;
}

/** Reads pieces from outside the swarm (an origin through a manifest). */
export interface PieceSource {
  readonly kind: SourceKind;
  /**
   * Reads pieces of a pack in the order given, in as few reads as the source needs: pieces that follow each other there come out of one stream. Each is
   * verified before it is yielded, and stays good when a later one fails. Nothing is read before the first is asked for, and no more than one piece
   * ahead of the reader is kept; a reader that leaves early ends the stream. Rejects with the source's errors, or the signal's reason.
   */
  readPieces(
    pack: PackId,
    wants: readonly PieceWant[],
    options?: Waiting & {
      /** Called with every buffer that arrives, also of bytes between two pieces that nobody wants. */
      readonly onBytes?: ((bytes: number) => void) | undefined;
    },
  ): AsyncIterable<VerifiedPiece>;
  /** Whether the source can give these chunks at all (an origin gives only what its image contains). */
  covers(pack: PackId, piece: number, mask: number): boolean;
}

export interface FetchProgress {
  readonly wantedBytes: number;
  readonly fetchedBytes: number;
  readonly bytesBySource: Readonly<Record<SourceKind, number>>;
  /** Of the fetched bytes, those that crossed a link, as they did: encoded, where the pieces were. */
  readonly wireBytes: number;
  readonly wireBytesBySource: Readonly<Record<SourceKind, number>>;
}

export interface FetchReport extends FetchProgress {
  /** Bytes that arrived and were present already (hedges). */
  readonly duplicateBytes: number;
  readonly badChunks: number;
  readonly durationMs: number;
}
