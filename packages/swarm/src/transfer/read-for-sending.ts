import {
  addChunk,
  chunkDigest,
  chunkLength,
  createChunkSet,
  digestEquals,
  digestOf,
  pieceChunks,
} from '@quarry/content';
import type { PackDescriptor, PackId, PackStore } from '@quarry/content';
import { errorCode } from '@quarry/runtime';
import type { Logger } from '@quarry/runtime';

/** Descriptors of packs that are being served, the most recently used: a store keeps them on disk. */
export interface DescriptorCache {
  find(pack: PackId, waiting: { readonly signal?: AbortSignal | undefined }): Promise<PackDescriptor | undefined>;
}

export function createDescriptorCache(store: PackStore, options: { readonly maxEntries: number }): DescriptorCache {
  const cached = new Map<PackId, PackDescriptor>();
  return {
    async find(pack, waiting) {
      const known = cached.get(pack);
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

/**
 * The masked chunks of a piece from the store, or undefined if they are not all there. Hashed before they leave: a disk that has changed a
 * bit would otherwise get this node banned by everybody. What is bad is dropped from the store, to be fetched anew.
 */
export async function readForSending(
  deps: { readonly store: PackStore; readonly logger: Logger },
  descriptor: PackDescriptor,
  piece: number,
  mask: number,
  waiting: { readonly signal?: AbortSignal | undefined },
): Promise<Uint8Array | undefined> {
  const { store, logger } = deps;
  let bytes: Uint8Array;
  try {
    bytes = await store.readPiece(descriptor.id, piece, mask, waiting);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'STORE_CHUNK_ABSENT' || code === 'STORE_PACK_UNKNOWN') return undefined;
    throw error;
  }
  const bad = badChunks(descriptor, piece, mask, bytes);
  if (bad.length === 0) return bytes;
  logger.error('chunks on disk do not have their digests any more: dropped', { pack: descriptor.id, chunks: bad });
  const dropped = createChunkSet(descriptor.chunkCount);
  for (const chunk of bad) addChunk(dropped, chunk);
  await store.dropChunks(descriptor.id, dropped);
  return undefined;
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
