import { ImageError } from './image-error.ts';

/** Bytes [from, to) of an image. */
export interface ImageRange {
  readonly from: number;
  readonly to: number;
}

/** `length` bytes from `offset` on; default: all of them. @throws ImageError IMAGE_BAD_RANGE */
export function rangeOf(
  imageBytes: number,
  {
    offset = 0,
    length = imageBytes - offset,
  }: { readonly offset?: number | undefined; readonly length?: number | undefined },
): ImageRange {
  const to = offset + length;
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 && to <= imageBytes) {
    return { from: offset, to };
  }
  const message = `an image of ${imageBytes} bytes has no ${length} bytes from ${offset} on`;
  throw new ImageError('IMAGE_BAD_RANGE', message, { details: { offset, length, imageBytes } });
}
