import type { ByteReader, Encoding } from '@quarry/content';

const CODES: Readonly<Record<Encoding, number>> = { plain: 0, zstd: 1 };

/** How the bytes after the head of an answer are to be read. */
export function encodingCode(encoding: Encoding): number {
  return CODES[encoding];
}

export function readEncoding(reader: ByteReader): Encoding {
  const code = reader.u8();
  if (code === CODES.plain) return 'plain';
  if (code === CODES.zstd) return 'zstd';
  throw reader.malformed(`has the unknown encoding ${code}`);
}
