import type { CutterSpec } from './cutter-spec.ts';
import { limits } from './limits.ts';

/** Stands in ExtentTable.packs for a run of zeros. */
export const ZEROS = -1;

/** Whether only the last chunk of an image may have this length. Zeros count as whole chunks too. */
export function isShort(cutter: CutterSpec, length: number, isZeros: boolean): boolean {
  return length < cutter.minBytes || (isZeros && isFixed(cutter) && length % cutter.maxBytes !== 0);
}

export function isFixed(cutter: CutterSpec): boolean {
  return cutter.minBytes === cutter.maxBytes;
}

/** What is wrong with an extent under a cutter, or undefined. `chunkCount` is 0 for zeros. */
export function extentProblem(
  cutter: CutterSpec,
  extent: {
    readonly firstChunk: number;
    readonly chunkCount: number;
    readonly length: number;
    readonly isLast: boolean;
  },
): string | undefined {
  const { firstChunk, chunkCount, length, isLast } = extent;
  if (length < 1) return 'has no bytes';
  if (chunkCount === 0) {
    return isShort(cutter, length, true) && !isLast ? `has ${length} bytes of zeros before the image's end` : undefined;
  }
  if (firstChunk < 0 || firstChunk + chunkCount > limits.maxChunksPerPack) {
    return `has chunks ${firstChunk} to ${firstChunk + chunkCount - 1}, and a pack has ${limits.maxChunksPerPack}`;
  }
  const minBytes = isLast ? (chunkCount - 1) * cutter.minBytes + 1 : chunkCount * cutter.minBytes;
  if (length >= minBytes && length <= chunkCount * cutter.maxBytes) return undefined;
  return `has ${length} bytes in ${chunkCount} chunks of ${cutter.minBytes} to ${cutter.maxBytes}`;
}
