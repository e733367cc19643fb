import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { chunkOffset, encodePiece, fullPieceMask, pieceChunks } from '@quarry/content';
import type { LentPart, PackId, PackStore } from '@quarry/content';

/** The store, with whole packs in files as well, every second piece as a frame; `spoil` is shown each file when it is made. */
export function lendingStore(
  store: PackStore,
  directory: string,
  spoil: (fd: number) => void = () => {},
): PackStore & { readonly lent: { chunks: number }; close(): Promise<void> } {
  const files = new Map<PackId, { readonly fd: number; readonly frames: readonly number[] }>();
  const lent = { chunks: 0 };
  const fileOf = async (pack: PackId): Promise<{ readonly fd: number; readonly frames: readonly number[] }> => {
    const descriptor = await store.findPack(pack);
    if (!descriptor) throw new Error('no such pack');
    const fd = openSync(join(directory, pack), 'w+');
    const frames: number[] = [];
    for (let piece = 0; piece < descriptor.pieceCount; piece += 1) {
      const bytes = await store.readPiece(pack, piece, fullPieceMask(descriptor, piece));
      const frame = piece % 2 === 1 ? encodePiece(bytes) : undefined;
      frames.push(frame?.length ?? 0);
      writeSync(fd, frame ?? bytes, 0, undefined, chunkOffset(descriptor, pieceChunks(descriptor, piece).first));
    }
    spoil(fd);
    return { fd, frames };
  };
  return {
    ...store,
    lent,
    async lendChunks(pack, firstChunk, count, read) {
      const descriptor = await store.findPack(pack);
      if (!descriptor) throw new Error('no such pack');
      const file = files.get(pack) ?? (await fileOf(pack));
      files.set(pack, file);
      const parts: LentPart[] = [];
      for (let first = firstChunk; first < firstChunk + count; ) {
        const piece = Math.floor(first / descriptor.chunksPerPiece);
        const end = Math.min(firstChunk + count, (piece + 1) * descriptor.chunksPerPiece);
        const frameBytes = file.frames[piece] ?? 0;
        const position = chunkOffset(descriptor, frameBytes > 0 ? pieceChunks(descriptor, piece).first : first);
        parts.push({ firstChunk: first, count: end - first, position, frameBytes });
        first = end;
      }
      lent.chunks += count;
      return await read({ fd: file.fd, parts });
    },
    async close() {
      for (const { fd } of files.values()) closeSync(fd);
    },
  };
}
