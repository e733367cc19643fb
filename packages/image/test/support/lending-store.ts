import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { chunkOffset, encodePiece, fullPieceMask, pieceChunks } from '@quarry/content';
import type { LentPart, PackId, PackStore } from '@quarry/content';

/**
 * The store, with its stages in files, and whole packs in others as well, every second piece as a frame; `spoil` is shown each of these when it is made.
 * A stage takes no frames.
 */
export function lendingStore(
  store: PackStore,
  directory: string,
  spoil: (fd: number) => void = () => {},
): PackStore & { readonly lent: { chunks: number; stagedBytes: number }; close(): Promise<void> } {
  const files = new Map<PackId, { readonly fd: number; readonly frames: readonly number[] }>();
  const lent = { chunks: 0, stagedBytes: 0 };
  let stages = 0;
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
    async stagePack(waiting) {
      const stage = await store.stagePack(waiting);
      stages += 1;
      const fd = openSync(join(directory, `${stages}.stage`), 'w+');
      let stagedBytes = 0;
      const place = (bytes: number): { readonly fd: number; readonly position: number } => {
        stagedBytes += bytes;
        return { fd, position: stagedBytes - bytes };
      };
      return {
        ...stage,
        async append(buffers) {
          for (const buffer of buffers) writeSync(fd, buffer, 0, undefined, place(buffer.length).position);
        },
        async appendBy(bytes, write) {
          lent.stagedBytes += bytes;
          await write(place(bytes));
        },
        async finish(descriptor, more) {
          const bytes = Buffer.alloc(stagedBytes);
          readSync(fd, bytes, 0, stagedBytes, 0);
          closeSync(fd);
          await stage.append([bytes], more);
          await stage.finish(descriptor, more);
        },
        async discard() {
          closeSync(fd);
          await stage.discard();
        },
      };
    },
    async close() {
      for (const { fd } of files.values()) closeSync(fd);
    },
  };
}
