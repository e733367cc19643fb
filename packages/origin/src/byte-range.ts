import type { OriginImage } from '@quarry/content';

/** A range of an image that was checked. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
  readonly isWhole: boolean;
}

/** @throws TypeError for what is not a range inside of the image */
export function rangeOf(
  image: OriginImage,
  options: { readonly offset?: number | undefined; readonly length?: number | undefined },
): ByteRange {
  const { offset = 0, length = image.imageBytes - offset } = options;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0)
    throw new TypeError(`not a range of image ${image.ref}: ${length} bytes at ${offset}`);
  if (offset + length > image.imageBytes)
    throw new TypeError(
      `${length} bytes at ${offset} lie outside of image ${image.ref}, which has ${image.imageBytes}`,
    );
  return { offset, length, isWhole: offset === 0 && length === image.imageBytes };
}
