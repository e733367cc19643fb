import { createHash } from 'node:crypto';
import { open, stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { bencode } from './bencode.ts';

const MIN_PIECE_BYTES = 2 ** 18;
const MAX_PIECE_BYTES = 2 ** 20;

/**
 * Describes one file, privately (BEP 27): nobody looks for peers elsewhere than at `announce`, which may be absent. Pieces of 256 KiB, or 1 MiB in large files,
 * unless `pieceBytes` says else.
 */
export async function writeTorrent(
  image: string,
  torrent: string,
  announce: string | undefined,
  options: { readonly pieceBytes?: (sizeBytes: number) => number } = {},
): Promise<void> {
  const { size } = await stat(image);
  const pieceBytes = options.pieceBytes?.(size) ?? (size > 2 ** 28 ? MAX_PIECE_BYTES : MIN_PIECE_BYTES);
  const hashes: Buffer[] = [];
  const file = await open(image, 'r');
  try {
    const buffer = Buffer.alloc(pieceBytes);
    for (let at = 0; at < size; at += pieceBytes) {
      const { bytesRead } = await file.read(buffer, 0, pieceBytes, at);
      hashes.push(createHash('sha1').update(buffer.subarray(0, bytesRead)).digest());
    }
  } finally {
    await file.close();
  }
  const info = {
    length: size,
    name: basename(image),
    'piece length': pieceBytes,
    pieces: Buffer.concat(hashes),
    private: 1,
  };
  await writeFile(torrent, bencode({ ...(announce !== undefined && { announce }), info }));
}
