import type { ChunkSet } from '../chunk-set.ts';
import type { Domain, PackId } from '../ids.ts';
import type { PackAccess, PackDescriptor } from '../pack-descriptor.ts';
import type { Encoding } from '../piece-encoding.ts';
import type { VerifiedPiece } from '../verified-piece.ts';

/** Where a chunk lies: its pack and its number within it. */
export interface ChunkLocation {
  readonly pack: PackId;
  readonly chunk: number;
}

export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Packs on this host. Laws:
 * - `addPack` is idempotent and keeps no chunk; it makes the pack's digests findable by `findChunks`.
 * - A chunk is present only if its bytes were verified (VerifiedPiece) and, across a crash, only if its data was durable before the mark was.
 *   What was written since the last `sync` may be absent after a crash; what is present is never wrong because of one.
 * - `writePiece` of what is present already changes nothing. The store copies or writes the bytes before it resolves: the caller keeps the buffer.
 *   A piece that comes with its frame is kept as that where no chunk of it is present; else what is missing is kept plain.
 * - Reads reject with STORE_CHUNK_ABSENT if any chunk asked for is absent, STORE_PACK_UNKNOWN for a pack that was never added; they do not hash
 *   (who hands the bytes out does).
 * - A pack with an open lease or a pin is never evicted.
 * - After `close` every call rejects with STORE_CLOSED. A full disk is STORE_DISK_FULL and loses nothing that was present.
 */
export interface PackStore {
  addPack(descriptor: PackDescriptor, waiting?: Waiting): Promise<void>;
  findPack(pack: PackId, waiting?: Waiting): Promise<PackDescriptor | undefined>;
  /** Known packs with what is present of each, from memory, in no particular order. */
  inventory(): Iterable<PackInventory>;
  /** A copy of what is present; undefined for an unknown pack. From memory. */
  present(pack: PackId): ChunkSet | undefined;
  /** Who may have a known pack from this host; undefined for an unknown one. From memory, like `present`. */
  access(pack: PackId): PackAccess | undefined;
  /** For each digest (32 bytes each, concatenated) a present chunk with it in one of `domains`; else a known absent one if `allowAbsent`; else undefined. */
  findChunks(
    digests: Uint8Array,
    options: {
      readonly domains: readonly Domain[];
      readonly allowAbsent?: boolean;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<readonly (ChunkLocation | undefined)[]>;
  writePiece(piece: VerifiedPiece, waiting?: Waiting): Promise<void>;
  /** Begins a pack whose descriptor is not known yet; see PackStage. Several may be open at once. */
  stagePack(waiting?: Waiting): Promise<PackStage>;
  /** The masked chunks of a piece, plain, in ascending order. Into `into` where that is long enough, else into a new buffer, which the caller owns. */
  readPiece(
    pack: PackId,
    piece: number,
    mask: number,
    options?: Waiting & { readonly into?: Uint8Array | undefined },
  ): Promise<Uint8Array>;
  /**
   * A whole piece as it is kept: plain, or as a zstd frame of all its chunks; for sending on. A frame is what it was when it was written (checked), its
   * chunks are not hashed. Into `into` where that is long enough, else into a new buffer.
   */
  readStored(
    pack: PackId,
    piece: number,
    options?: Waiting & { readonly into?: Uint8Array | undefined },
  ): Promise<StoredPiece>;
  /** `count` consecutive chunks into `into` (exactly their plain bytes long) or into a new buffer. */
  readChunks(
    pack: PackId,
    firstChunk: number,
    count: number,
    options?: Waiting & { readonly into?: Uint8Array },
  ): Promise<Uint8Array>;
  /**
   * The chunks where they lie, for who reads them on another thread: `read` gets an open file, which stays open until what `read` returns has settled.
   * They were present when it was opened; whether the file still holds them is for the reader to see, by hashing. Undefined, without calling
   * `read`, where not all of them are present in a file. A store without files has no such method.
   */
  lendChunks?<T>(
    pack: PackId,
    firstChunk: number,
    count: number,
    read: (lent: LentChunks) => Promise<T>,
    waiting?: Waiting,
  ): Promise<T | undefined>;
  /** Makes everything written so far durable. Also happens by itself in batches. */
  sync(): Promise<void>;
  /** Keeps packs from eviction until the lease is released, also packs that become known later; leases do not survive the process. Marks them used. */
  lease(packs: Iterable<PackId>): PackLease;
  /** Pins survive restarts. Several reasons may pin one pack; it is pinned until the last is taken away. */
  pin(packs: Iterable<PackId>, reason: string): Promise<void>;
  unpin(reason: string): Promise<void>;
  pins(): Promise<ReadonlyMap<string, readonly PackId[]>>;
  /** Evicts packs by least recent use until at most `maxBytes` of chunk data is kept, counted as it is kept (encoded). */
  evict(maxBytes: number, waiting?: Waiting): Promise<EvictionReport>;
  /** Re-hashes every present chunk, and drops from presence what is bad. */
  verify(options?: Waiting & { readonly onProgress?: (progress: VerifyProgress) => void }): Promise<VerifyReport>;
  usage(): StoreUsage;
  /**
   * Forgets packs whose images are gone; unknown ones are passed over. A pinned pack stays as it is. One that is leased, or being read or written, is gone for
   * everybody from now on, and its bytes go when the last lease is released: until then `findPack`, `readPiece`, `readChunks` and `lendChunks` go on for who
   * holds one, everything else knows it no more. Any other has gone with all its bytes when this resolves. Durable when resolved: none comes back with the next
   * start. `addPack` makes a pack known again, with the chunks that it still has.
   */
  discard(packs: Iterable<PackId>, waiting?: Waiting): Promise<DiscardReport>;
  /**
   * Takes chunks that a reader found bad from presence, so that they can be fetched anew; with a chunk of a frame goes its whole piece. Durable when
   * resolved; absent ones are passed over.
   */
  dropChunks(pack: PackId, chunks: ChunkSet, waiting?: Waiting): Promise<void>;
  /** Called after chunks became present (once per written piece, from memory, must not throw); returns how to stop. */
  onPresent(listener: (pack: PackId, piece: number, mask: number) => void): () => void;
  /** Called after a pack was evicted or discarded, or chunks of it were dropped. */
  onAbsent(listener: (pack: PackId) => void): () => void;
  close(): Promise<void>;
}

/**
 * A pack in the making: its id depends on all of its chunks, and they are too many to hold in memory until the last is known. For ingest alone,
 * which hashes the very bytes that it appends. Laws:
 * - `append` puts the buffers' bytes after all those appended before. Calls may overlap: their order alone decides where bytes land. The caller
 *   keeps the buffers, and must not change them before the call resolves. After one call has failed, every later one and `finish` reject too.
 * - `appendFrame` is an `append` of `plainBytes` bytes that come as the zstd frame they were encoded to, and may be kept as that: where the frame turns out
 *   to be one piece of the pack. It may hold several pieces (nobody knows how large pieces are before the pack is full), never a part of one.
 * - `appendBy` is an `append` whose caller puts the bytes into the file, at the position and of the length agreed, on a thread of its own: `write` is called once and
 *   the file stays open until what it returns has settled. A store without files has no such method.
 * - `finish` waits for every append, adds the pack and makes all its chunks present as `writePiece` does (durable with the next `sync`, listeners
 *   called once per piece). A pack known before, wholly or partly present or leased, becomes wholly present. Rejects with STORE_STAGE_MISMATCH, and
 *   drops the stage, if the bytes appended are not as many as the descriptor's.
 * - `discard` frees what the stage took; idempotent, does nothing after `finish`, never rejects. What a killed process staged is gone at the next open.
 * - Staged bytes are invisible: no inventory, no usage, nothing readable. A full disk is STORE_DISK_FULL, and the stage can only be discarded.
 */
export interface PackStage {
  append(buffers: readonly Uint8Array[], waiting?: Waiting): Promise<void>;
  appendFrame(frame: Uint8Array, plainBytes: number, waiting?: Waiting): Promise<void>;
  appendBy?(bytes: number, write: (room: StageRoom) => Promise<void>, waiting?: Waiting): Promise<void>;
  finish(descriptor: PackDescriptor, waiting?: Waiting): Promise<void>;
  discard(): Promise<void>;
}

export interface StageRoom {
  readonly fd: number;
  readonly position: number;
}

export interface StoredPiece {
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
}

export interface LentChunks {
  readonly fd: number;
  /** In order. */
  readonly parts: readonly LentPart[];
}

/** Consecutive chunks: plain from `position` on, or within the frame of their whole piece, which begins there. */
export interface LentPart {
  readonly firstChunk: number;
  readonly count: number;
  readonly position: number;
  /** 0: plain. */
  readonly frameBytes: number;
}

export interface PackInventory {
  readonly pack: PackId;
  readonly present: ChunkSet;
}

export interface PackLease {
  release(): void;
}

export interface EvictionReport {
  readonly evictedPacks: number;
  readonly evictedBytes: number;
  /** What is left, and how much of it cannot be evicted (pinned or leased). */
  readonly keptBytes: number;
  readonly heldBytes: number;
}

export interface DiscardReport {
  readonly removedPacks: readonly PackId[];
  /** In use: gone for others, and removed with the last lease. */
  readonly heldPacks: readonly PackId[];
  readonly pinnedPacks: readonly PackId[];
  /** What those that are not pinned took as they were kept. */
  readonly bytes: number;
}

export interface VerifyProgress {
  readonly checkedBytes: number;
  readonly totalBytes: number;
}

export interface VerifyReport {
  readonly packs: number;
  readonly checkedChunks: number;
  readonly checkedBytes: number;
  readonly badChunks: readonly ChunkLocation[];
  /** Files in the store's directory that belong to no known pack. */
  readonly strayFiles: readonly string[];
}

export interface StoreUsage {
  readonly packs: number;
  /** Plain bytes of present chunks. */
  readonly presentBytes: number;
  /** Bytes that they take as they are kept. What `evict` counts. */
  readonly storedBytes: number;
  readonly pinnedPacks: number;
}
