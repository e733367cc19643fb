import { chunkDigest, chunkLength, chunkOffset, createPackDescriptor, pieceChunks, sealPiece } from '@quarry/content';
import type { ChunkLocation, Manifest, PackStore } from '@quarry/content';
import type { TestNode } from './test-node.ts';

export interface RottenChunk extends ChunkLocation {
  readonly bytes: number;
}

/**
 * Gives `store` all chunks of the image's first pack, one of which has rotted: in that pack itself, or, `asOther`, in one that holds them in reverse order.
 */
export async function plantRotten(
  from: TestNode,
  manifest: Manifest,
  store: PackStore,
  options: { readonly rottenChunk: number; readonly asOther?: boolean },
): Promise<RottenChunk> {
  const [pack] = manifest.packs;
  const original = pack && (await from.store.findPack(pack));
  if (!original) throw new Error('the image has a pack');
  const order = Array.from({ length: original.chunkCount }, (_, i) => i);
  if (options.asOther) order.reverse();
  const descriptor = createPackDescriptor({
    domain: original.domain,
    digests: Buffer.concat(order.map((chunk) => chunkDigest(original, chunk))),
    lengths: order.map((chunk) => chunkLength(original, chunk)),
  });
  const bytes = Buffer.concat(await Promise.all(order.map((chunk) => from.store.readChunks(original.id, chunk, 1))));
  const at = chunkOffset(descriptor, options.rottenChunk);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await store.addPack(descriptor);
  for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
    const { first, count } = pieceChunks(descriptor, piece);
    const end = chunkOffset(descriptor, first + count);
    await store.writePiece(sealPiece(descriptor, piece, bytes.subarray(chunkOffset(descriptor, first), end)));
  }
  return { pack: descriptor.id, chunk: options.rottenChunk, bytes: chunkLength(descriptor, options.rottenChunk) };
}
