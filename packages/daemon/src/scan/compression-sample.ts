import type { Compute, DigestedBatch } from '@quarry/image';

/** Compresses a part of the data, as an ingest with `store.encoding = "zstd"` would, and keeps none of it. */
export interface CompressionSample {
  /** Resolves when what it takes of the batch is compressed. */
  offer(batch: DigestedBatch): Promise<void>;
  /** Undefined before the first piece. */
  result(): Compressibility | undefined;
}

export interface Compressibility {
  /** Plain bytes to bytes kept; 1 where compressing saves nothing. */
  readonly factor: number;
  /** 95 % of it. */
  readonly least: number;
  readonly most: number;
  readonly pieces: number;
  readonly plainBytes: number;
}

/** Taken of small stores, too: fewer say little. */
const FIRST_PIECES = 32;

export function createCompressionSample(
  compute: Pick<Compute, 'encode'>,
  options: { readonly compressedPart: number; readonly pieceBytes: number },
): CompressionSample {
  let seenBytes = 0;
  let plainBytes = 0;
  const parts: number[] = [];
  return {
    async offer({ chunks, digests }) {
      const data = chunks.filter((_, i) => digests.subarray(32 * i, 32 * i + 32).some((byte) => byte !== 0));
      seenBytes += data.reduce((sum, chunk) => sum + chunk.length, 0);
      if (data.length === 0) return;
      if (parts.length >= FIRST_PIECES && plainBytes > seenBytes * options.compressedPart) return;
      const piece: Uint8Array[] = [];
      let pieceBytes = 0;
      // not always the same place: images begin alike
      for (const chunk of data.slice((parts.length * 17) % data.length)) {
        if (pieceBytes + chunk.length > options.pieceBytes && pieceBytes > 0) break;
        piece.push(chunk);
        pieceBytes += chunk.length;
      }
      plainBytes += pieceBytes;
      const frame = await compute.encode(piece);
      parts.push((frame?.length ?? pieceBytes) / pieceBytes);
    },
    result() {
      if (parts.length === 0) return undefined;
      const mean = parts.reduce((sum, part) => sum + part, 0) / parts.length;
      const variance = parts.reduce((sum, part) => sum + (part - mean) ** 2, 0) / Math.max(1, parts.length - 1);
      const error = parts.length === 1 ? mean : 1.96 * Math.sqrt(variance / parts.length);
      return {
        factor: 1 / mean,
        least: Math.max(1, 1 / Math.min(1, mean + error)),
        most: 1 / Math.max(mean - error, mean / 10),
        pieces: parts.length,
        plainBytes,
      };
    },
  };
}
