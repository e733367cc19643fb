import { verifyPiece } from '@quarry/content';
import type { Origin, OriginImage, VerifiedPiece } from '@quarry/content';
import { ImageError } from './image-error.ts';
import type { ImageStep, StepPart } from './image-steps.ts';

/**
 * A step straight from the image at its origin into `into` (exactly step.length bytes), each chunk held against its digest: in pieces, parts of `into`, that a
 * store may keep. @throws ImageError IMAGE_ORIGIN_DIFFERS, and the origin's errors
 */
export async function readFromOrigin(
  origin: Origin,
  image: OriginImage,
  step: ImageStep,
  into: Uint8Array,
  options: { readonly signal: AbortSignal },
): Promise<readonly VerifiedPiece[]> {
  let at = 0;
  for await (const buffer of origin.open(image, { offset: step.offset, length: step.length, ...options })) {
    if (at + buffer.length > step.length) throw differs(origin, image, step, 'more bytes came than were asked for');
    into.set(buffer, at);
    at += buffer.length;
  }
  if (at !== step.length) throw differs(origin, image, step, `${at} bytes came instead of ${step.length}`);
  try {
    return step.parts.flatMap((part) => piecesOf(part, into.subarray(part.at, part.at + part.length)));
  } catch (cause) {
    throw differs(origin, image, step, 'other bytes are there', cause);
  }
}

function piecesOf(part: StepPart, bytes: Uint8Array): VerifiedPiece[] {
  const { descriptor, firstChunk, count } = part;
  const { chunksPerPiece, offsets } = descriptor;
  const start = offsets[firstChunk] ?? 0;
  const pieces: VerifiedPiece[] = [];
  for (let chunk = firstChunk; chunk < firstChunk + count; ) {
    const piece = Math.floor(chunk / chunksPerPiece);
    const end = Math.min(firstChunk + count, (piece + 1) * chunksPerPiece);
    const mask = ((1 << (end - chunk)) - 1) << (chunk - piece * chunksPerPiece);
    const inPiece = bytes.subarray((offsets[chunk] ?? 0) - start, (offsets[end] ?? 0) - start);
    pieces.push(verifyPiece(descriptor, piece, mask, inPiece));
    chunk = end;
  }
  return pieces;
}

function differs(
  origin: Origin,
  image: OriginImage,
  { offset, length }: ImageStep,
  how: string,
  cause?: unknown,
): ImageError {
  const message = `image ${image.ref} at its origin (${origin.kind}) is not what its manifest says at byte ${offset}: ${how}`;
  return new ImageError('IMAGE_ORIGIN_DIFFERS', message, { details: { ref: image.ref, offset, length }, cause });
}
