import {
  addChunk,
  chunkDigest,
  chunkLength,
  chunkOffset,
  createChunkSet,
  decodePiece,
  digestEquals,
  digestOf,
  fullPieceMask,
  maskedBytes,
  pieceChunks,
} from '@quarry/content';
import type { Encoding, PackDescriptor, PackId, PackStore, StoredPiece } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { BufferBank, Logger } from '@quarry/runtime';
import type { CheckedPieces } from './checked-pieces.ts';

/** Descriptors of packs that are being served, the most recently used: a store keeps them on disk. */
export interface DescriptorCache {
  find(pack: PackId, waiting: { readonly signal?: AbortSignal | undefined }): Promise<PackDescriptor | undefined>;
}

export function createDescriptorCache(store: PackStore, options: { readonly maxEntries: number }): DescriptorCache {
  const cached = new Map<PackId, PackDescriptor>();
  return {
    async find(pack, waiting) {
      const known = cached.get(pack);
      if (!store.present(pack)) {
        // Evicted; or discarded, while somebody on this host still reads it.
        cached.delete(pack);
        return undefined;
      }
      if (known) {
        cached.delete(pack);
        cached.set(pack, known);
        return known;
      }
      const found = await store.findPack(pack, waiting);
      if (!found) return undefined;
      cached.set(pack, found);
      if (cached.size > options.maxEntries) for (const oldest of [...cached.keys()].slice(0, 1)) cached.delete(oldest);
      return found;
    },
  };
}

/** A piece on its way out, in a buffer of the bank: to be given back once by `release`, or dropped. */
export interface OutgoingPiece {
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
  /** Of the chunks themselves. */
  readonly plainBytes: number;
  /** Nobody looks into the bytes any more. */
  release(): void;
  /** This side is done, the carrier may not be. */
  drop(): void;
}

export interface ReadDeps {
  readonly store: PackStore;
  readonly logger: Logger;
  readonly buffers: BufferBank;
  readonly checked: CheckedPieces;
}

export interface WantedPiece {
  readonly descriptor: PackDescriptor;
  readonly piece: number;
  readonly mask: number;
  /** Whether the asker understands zstd frames. */
  readonly takesFrames: boolean;
  /** Plain bytes are hashed before they leave, unless they were a short while ago where that is told. `never`: the asker gives a second chance. */
  readonly check: 'always' | 'unlessRecent' | 'never';
}

/**
 * The masked chunks of a piece from the store, or undefined if they are not all there. A whole piece that is kept as a frame goes as it is: the store
 * has checked it. Plain bytes are hashed before they leave where `check` says so: a disk that has changed a bit would otherwise get this
 * node banned by everybody. What is bad is dropped from the store, to be fetched anew.
 */
export async function readForSending(
  deps: ReadDeps,
  wanted: WantedPiece,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<OutgoingPiece | undefined> {
  const { store, buffers } = deps;
  const { descriptor, piece, mask } = wanted;
  const plainBytes = maskedBytes(descriptor, piece, mask);
  const buffer = await buffers.take(plainBytes, { signal });
  try {
    const { encoding, bytes } = await (mask === fullPieceMask(descriptor, piece)
      ? readWhole(store, wanted, buffer, signal)
      : readSome(store, wanted, buffer, signal));
    if (encoding === 'zstd' || (await areGood(deps, wanted, bytes))) {
      return { encoding, bytes, plainBytes, release: () => buffers.give(buffer), drop: () => buffers.drop(buffer) };
    }
  } catch (error) {
    buffers.give(buffer);
    const code = errorCode(error);
    if (code === 'STORE_CHUNK_ABSENT' || code === 'STORE_PACK_UNKNOWN') return undefined;
    throw error;
  }
  buffers.give(buffer);
  return undefined;
}

async function readWhole(
  store: PackStore,
  { descriptor, piece, takesFrames }: WantedPiece,
  into: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<StoredPiece> {
  const stored = await store.readStored(descriptor.id, piece, { into, signal });
  if (stored.encoding === 'plain' || takesFrames) return stored;
  into.set(decodePiece(stored.bytes, into.length));
  return { encoding: 'plain', bytes: into };
}

/** Run by run, each to its place. */
async function readSome(
  store: PackStore,
  { descriptor, piece, mask }: WantedPiece,
  into: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<StoredPiece> {
  const { first, count } = pieceChunks(descriptor, piece);
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    if (((mask >> i) & 1) === 0) continue;
    const from = i;
    while ((mask >> (i + 1)) & 1) i += 1;
    const bytes = chunkOffset(descriptor, first + i + 1) - chunkOffset(descriptor, first + from);
    await store.readChunks(descriptor.id, first + from, i + 1 - from, {
      into: into.subarray(at, at + bytes),
      ...(signal ? { signal } : {}),
    });
    at += bytes;
  }
  return { encoding: 'plain', bytes: into };
}

async function areGood(deps: ReadDeps, wanted: WantedPiece, bytes: Uint8Array): Promise<boolean> {
  const { descriptor, piece, mask, check } = wanted;
  if (check === 'never' || (check === 'unlessRecent' && deps.checked.has(descriptor, piece, mask))) return true;
  const bad = badChunks(descriptor, piece, mask, bytes);
  if (bad.length === 0) {
    deps.checked.add(descriptor, piece, mask);
    return true;
  }
  deps.logger.error('chunks on disk do not have their digests any more: dropped', { pack: descriptor.id, chunks: bad });
  const dropped = createChunkSet(descriptor.chunkCount);
  for (const chunk of bad) addChunk(dropped, chunk);
  await deps.store.dropChunks(descriptor.id, dropped);
  return false;
}

function badChunks(descriptor: PackDescriptor, piece: number, mask: number, bytes: Uint8Array): number[] {
  const { first, count } = pieceChunks(descriptor, piece);
  const bad: number[] = [];
  let at = 0;
  for (let chunk = first; chunk < first + count; chunk += 1) {
    if (((mask >> (chunk - first)) & 1) === 0) continue;
    const length = chunkLength(descriptor, chunk);
    if (!digestEquals(digestOf(bytes.subarray(at, at + length)), chunkDigest(descriptor, chunk))) bad.push(chunk);
    at += length;
  }
  return bad;
}
