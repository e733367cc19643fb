import { errorCode } from '@quarry/runtime';
import type { HandlerDeps } from '../exchange.ts';
import { GatewayError } from '../gateway-error.ts';
import type { GlanceImage, SeenImage } from '../ports/image-service.ts';
import { createTee } from '../tee.ts';

export interface SeededDownload {
  /** The same bytes, for the client. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Resolves when the image is published, or nothing of it remains; never rejects. */
  readonly ended: Promise<void>;
}

/** Takes an image in while it passes by to a client, so that the next host finds it in the swarm. Whatever becomes of that, the client does not suffer. */
export function seedDownload(
  { images, clock, logger, numbers }: HandlerDeps,
  image: GlanceImage,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): SeededDownload {
  const tee = createTee(
    bytes,
    { clock },
    { maxAheadBytes: numbers.teeBytes, graceMs: numbers.seedGraceMs, maxHeldShare: numbers.seedShare },
  );
  const { hash, imageBytes, ...pending } = image;
  const confirm = async (seen: SeenImage): Promise<void> => checkSeen(image, seen);
  const take = async (): Promise<void> => {
    try {
      await images.take(pending, tee.second, { algorithm: hash.algorithm, confirm, signal });
    } catch (error) {
      tee.drop(error);
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      logger.info('an image that passed by is not kept', {
        image: image.ref,
        imageBytes,
        code: errorCode(error),
        message,
      });
    }
  };
  return { bytes: tee.first, ended: take() };
}

/** What passed by must be what Glance said. Only then may others have it from us. */
function checkSeen({ ref, hash, imageBytes }: GlanceImage, seen: SeenImage): void {
  if (seen.imageBytes === imageBytes && seen.hash.algorithm === hash.algorithm && seen.hash.value === hash.value)
    return;
  const message = `image ${ref} is not what Glance says it is: its store gave other bytes`;
  throw new GatewayError('GATEWAY_CONTENT_MISMATCH', message, {
    details: { ref, expectedBytes: imageBytes, actualBytes: seen.imageBytes, expected: hash.value, actual: seen.hash },
  });
}
